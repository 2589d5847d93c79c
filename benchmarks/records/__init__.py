"""Raw records, one JSON line per cell and provider (record.py); their statistics (ratios.py)."""
