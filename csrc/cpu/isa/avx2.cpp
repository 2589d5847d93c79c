// The vectorised kernels, compiled for avx2.

#if defined(__x86_64__)

#include <cmath>
#include <cstdint>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define SIMCLR_BENCH_ISA avx2
#define SIMCLR_BENCH_VECTOR_BYTES 32

#include "../contrast_kernels.h"
#include "../distillation_kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
