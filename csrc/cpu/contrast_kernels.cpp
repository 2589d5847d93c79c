// Which of the compiled kernels the contrastive engine uses.

#include "capability.h"
#include "contrast.h"

namespace simclr_bench {

namespace baseline {
extern const ContrastTables kContrastTables;
}
#if defined(__x86_64__)
namespace avx2 {
extern const ContrastTables kContrastTables;
}
namespace avx512 {
extern const ContrastTables kContrastTables;
}
namespace avx512_bf16 {
extern const ContrastKernels<float> kBFloat16;
extern const ContrastKernels<float> kBFloat16Amx;
extern const ContrastKernels<float> kFloat32Amx;
}  // namespace avx512_bf16
#endif

namespace {

const ContrastTables& contrast_tables() {
#if defined(__x86_64__)
  if (cpu_capability() >= Capability::kAvx512) return avx512::kContrastTables;
  if (cpu_capability() >= Capability::kAvx2) return avx2::kContrastTables;
#endif
  return baseline::kContrastTables;
}

}  // namespace

const ContrastKernels<double>& float64_kernels() { return contrast_tables().float64; }

const ContrastKernels<float>& float32_kernels(int64_t rows, bool normalize) {
#if defined(__x86_64__)
  // Rows that are not normalised may have elements whose parts no bfloat16 can be.
  if (cpu_capability() >= Capability::kAmx && normalize && rows >= rows_to_cut())
    return avx512_bf16::kFloat32Amx;
#endif
  return contrast_tables().float32;
}

const ContrastKernels<float>* bfloat16_kernels() {
#if defined(__x86_64__)
  if (cpu_capability() >= Capability::kAmx) return &avx512_bf16::kBFloat16Amx;
  if (cpu_capability() >= Capability::kAvx512Bf16) return &avx512_bf16::kBFloat16;
#endif
  return nullptr;
}

}  // namespace simclr_bench
