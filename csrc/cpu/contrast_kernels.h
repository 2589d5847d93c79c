// The vectorised kernels of the contrastive engine, as a table. What is computed and why:
// contrast.cpp.

#pragma once

#include "contrast_gradient.h"
#include "contrast_rows.h"
#include "contrast_sums.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <typename T>
int64_t scratch(int64_t tile) {
  return tile * (tile + kRowPadding + kMostKinds * 2 * kLanes<T>);
}

template <typename T>
constexpr ContrastKernels<T> kContrast = {kPanel<T>, scratch<T>,  pack<T>,  dot<T>,
                                          sums<T>,   gradient<T>, finish<T>};

}  // namespace

extern const ContrastKernels<float> contrast_float;
extern const ContrastKernels<double> contrast_double;
constexpr ContrastKernels<float> contrast_float = kContrast<float>;
constexpr ContrastKernels<double> contrast_double = kContrast<double>;

}  // namespace simclr_bench::SIMCLR_BENCH_ISA
