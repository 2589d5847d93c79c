"""Run directories: one checked, atomically written file per finished job."""
