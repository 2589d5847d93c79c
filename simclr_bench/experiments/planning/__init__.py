"""From what is asked for to jobs: every hyper-parameter resolved, every job once."""
