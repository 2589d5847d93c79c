"""Executes jobs: from a job and a bench of shared images and features to predictions.

Each kind of job has a module of its own, whose imports are exactly what its result comes from
(experiments/provenance/code.py); only the dispatcher, `execute`, knows them all.
"""
