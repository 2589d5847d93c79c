// The kernels of the contrastive engine for one class of packed rows, as a table. What is computed
// and why: contrast.cpp.

#pragma once

#include "contrast_gradient.h"
#include "contrast_rows.h"
#include "contrast_sums.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

// What for_each_block needs, and weights in the second pass, or in the first the sums of every row
// or similarities.
template <typename Rows>
int64_t scratch(int64_t tile) {
  constexpr int64_t kSums = kMostKinds * 2 * kLanes<typename Rows::Element>;
  const int64_t first = tile * (tile > kSums ? tile : kSums);
  const int64_t second = Rows::weights(tile);
  return Rows::parts(tile) + (first > second ? first : second);
}

template <typename Rows, typename T = typename Rows::Element>
constexpr ContrastKernels<T> kContrast = {kPanel<T>,          sizeof(typename Rows::Input),
                                          Rows::kStoresTiles, Rows::kManyRows,
                                          Rows::bytes,        scratch<Rows>,
                                          pack<Rows>,         dot<Rows>,
                                          sums<Rows, T>,      gradient<Rows, T>,
                                          finish<Rows>};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
