// The vectorised kernels for every machine: on x86 with SSE4.2, which NumPy asks for too, elsewhere
// with whatever the compiler assumes.

#include <cmath>
#include <cstdint>

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("sse4.2"))), apply_to = function)
#else
#pragma GCC target("sse4.2")
#endif
#endif
#define SIMCLR_BENCH_ISA baseline
#define SIMCLR_BENCH_VECTOR_BYTES 16

#include "../contrast_kernels.h"
#include "../distillation_kernels.h"

#if defined(__x86_64__) && defined(__clang__)
#pragma clang attribute pop
#endif
