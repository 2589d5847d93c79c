"""Runs CUDA kernels on a CPU, from the PTX that nvcc writes.

`toolchain` calls the compilers and keeps what they make. `source` reads PTX, `translate` turns it
into C++ with the tables in `arithmetic`, `conversion`, `memory`, `control`, `tensor`,
`asynchronous` and `warpgroup`, `build` compiles that with nvcc's host code and ../runtime into a
library, and `library` calls its launchers on numpy arrays under a chosen schedule. `machine_code`
reads what ptxas makes of the same PTX for a device.
"""
