"""Where results come from: hashes of code, what is stale, and whether a directory is sound."""
