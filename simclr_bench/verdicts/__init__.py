"""What the evidence supports, per printed number and per claim.

Pure functions of numbers: no files, no torch, nothing of a table's layout. An accuracy is a
fraction and comes with the number of examples that it counts.
"""
