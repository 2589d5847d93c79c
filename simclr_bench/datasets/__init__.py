"""The five data sets of the paper's Table 4: from archives to verified images."""
