// Which of the compiled kernels the contrastive engine uses.

#include "capability.h"
#include "contrast.h"

namespace simclr_bench {

namespace baseline {
extern const ContrastKernels<float> contrast_float;
extern const ContrastKernels<double> contrast_double;
}  // namespace baseline
namespace avx2 {
extern const ContrastKernels<float> contrast_float;
extern const ContrastKernels<double> contrast_double;
}  // namespace avx2
namespace avx512 {
extern const ContrastKernels<float> contrast_float;
extern const ContrastKernels<double> contrast_double;
}  // namespace avx512
namespace avx512_bf16 {
extern const ContrastKernels<float> contrast_bfloat16;
extern const ContrastKernels<float> contrast_bfloat16_amx;
}  // namespace avx512_bf16

const ContrastKernels<float>& float_kernels() {
#if defined(__x86_64__)
  if (cpu_capability() >= Capability::kAvx512) return avx512::contrast_float;
  if (cpu_capability() >= Capability::kAvx2) return avx2::contrast_float;
#endif
  return baseline::contrast_float;
}

const ContrastKernels<double>& double_kernels() {
#if defined(__x86_64__)
  if (cpu_capability() >= Capability::kAvx512) return avx512::contrast_double;
  if (cpu_capability() >= Capability::kAvx2) return avx2::contrast_double;
#endif
  return baseline::contrast_double;
}

const ContrastKernels<float>* bfloat16_kernels() {
#if defined(__x86_64__)
  if (cpu_capability() >= Capability::kAmx) return &avx512_bf16::contrast_bfloat16_amx;
  if (cpu_capability() >= Capability::kAvx512Bf16) return &avx512_bf16::contrast_bfloat16;
#endif
  return nullptr;
}

}  // namespace simclr_bench
