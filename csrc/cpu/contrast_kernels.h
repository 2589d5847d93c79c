// The contrastive engine's kernels for rows of floats and of doubles.

#pragma once

#include "contrast_panels.h"
#include "contrast_table.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {

extern const ContrastKernels<float> contrast_float;
extern const ContrastKernels<double> contrast_double;
constexpr ContrastKernels<float> contrast_float = kContrast<Panels<float>>;
constexpr ContrastKernels<double> contrast_double = kContrast<Panels<double>>;

}  // namespace simclr_bench::SIMCLR_BENCH_ISA
