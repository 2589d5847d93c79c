"""BENCHMARKS.md from the records: table.py makes tables of them, page.py the page."""
