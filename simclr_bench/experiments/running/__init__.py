"""Runs jobs, here or in worker processes, and keeps each result as soon as it exists."""
