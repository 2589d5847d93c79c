// The vectorised kernels, compiled for avx512.

#if defined(__x86_64__)

#include <cmath>
#include <cstdint>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
#define SIMCLR_BENCH_ISA avx512
#define SIMCLR_BENCH_AVX512 1
#define SIMCLR_BENCH_VECTOR_BYTES 64

#include "../contrast_kernels.h"
#include "../distillation_kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
