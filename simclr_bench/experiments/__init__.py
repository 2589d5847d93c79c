"""From a table of the paper to finished records: plan jobs, run the missing ones, keep them."""
