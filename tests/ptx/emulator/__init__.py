"""Runs CUDA kernels on a CPU, from the PTX that nvcc writes.

`source` reads PTX, `translate` turns it into C++ with the tables in `arithmetic`, `conversion`,
`memory`, `control` and `tensor`, `build` compiles that with nvcc's host code and ../runtime into a
library, and `library` calls its launchers on numpy arrays under a chosen schedule.
"""
