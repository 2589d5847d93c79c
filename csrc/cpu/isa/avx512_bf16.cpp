// The kernels of bfloat16 rows, compiled for avx512 with bfloat16. Those of them that use AMX tiles
// name its instructions themselves.

#if defined(__x86_64__)

#include <cmath>
#include <cstdint>
#include <type_traits>

#if defined(__clang__)
#pragma clang attribute push(                                                          \
    __attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
    apply_to = function)
#else
#pragma GCC target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
#define SIMCLR_BENCH_ISA avx512_bf16
#define SIMCLR_BENCH_AVX512 1
#define SIMCLR_BENCH_VECTOR_BYTES 64

#include "../contrast_bfloat16.h"
#include "../contrast_table.h"

namespace simclr_bench::avx512_bf16 {

extern constexpr ContrastKernels<float> kBFloat16 = kContrast<BFloat16Rows<VectorProduct, 1, 1>>;
extern constexpr ContrastKernels<float> kBFloat16Amx = kContrast<BFloat16Rows<TileProduct, 1, 2>>;
extern constexpr ContrastKernels<float> kFloat32Amx = kContrast<BFloat16Rows<TileProduct, 3, 3>>;

}  // namespace simclr_bench::avx512_bf16

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
