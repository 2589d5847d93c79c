// What the contrastive engine does row by row: before the passes over the tiles, and after.

#pragma once

#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <typename Rows>
double length(const typename Rows::Input* z, int64_t dim) {
  constexpr int64_t kStep = Rows::kStep;
  Vec<double> squares{};
  int64_t d = 0;
  for (; d + kStep <= dim; d += kStep) {
    const Vec<double> v = Rows::read(z + d);
    squares += v * v;
  }
  double sum = sum_of_lanes<double>(squares);
  for (; d < dim; ++d) {
    const double v = Rows::read_one(z[d]);
    sum += v * v;
  }
  return __builtin_sqrt(sum);
}

template <typename Rows>
void pack(const ContrastOperands<typename Rows::Element>& o, const void* z, int64_t rows,
          bool normalize, int64_t first, double* norms) {
  const Rows packed(o);
  const auto* input = static_cast<const typename Rows::Input*>(z);
  for (int64_t r = 0; r < kPanel<typename Rows::Element>; ++r) {
    if (r >= rows) {
      packed.pack_row(nullptr, 0, first + r);
      continue;
    }
    norms[r] = normalize ? length<Rows>(input + r * o.dim, o.dim) : 1.0;
    const double divisor = norms[r] < kNormEpsilon ? kNormEpsilon : norms[r];  // a NaN passes
    packed.pack_row(input + r * o.dim, 1 / divisor, first + r);
  }
  packed.finish_panel(first);
}

template <typename Rows>
double dot(const ContrastOperands<typename Rows::Element>& o, int64_t i, int64_t j) {
  const Rows rows(o);
  Vec<double> sums{};
  for (int64_t d = 0; d < o.padded_dim; d += Rows::kStep) sums += rows.unit(i, d) * rows.unit(j, d);
  return sum_of_lanes<double>(sums);
}

template <typename Rows>
double finish(const ContrastOperands<typename Rows::Element>& o, int64_t i, int64_t pair,
              double attraction, double norm, bool normalize, double factor,
              const typename Rows::Element* gradients, void* out) {
  constexpr int64_t kStep = Rows::kStep;
  const Rows rows(o);
  const auto total = [&](int64_t d) SIMCLR_BENCH_LAMBDA {
    return rows.sum(gradients, i, d) - attraction * rows.unit(pair, d);
  };
  Vec<double> sums{};
  for (int64_t d = 0; d < o.padded_dim; d += kStep) sums += total(d) * rows.unit(i, d);
  const double along = sum_of_lanes<double>(sums);
  const double radial = normalize && !(norm < kNormEpsilon) ? along : 0.0;
  const double scale = factor / (norm < kNormEpsilon ? kNormEpsilon : norm);
  auto* to = static_cast<typename Rows::Input*>(out);
  for (int64_t d = 0; d < o.dim; d += kStep) {
    const Vec<double> result = (total(d) - radial * rows.unit(i, d)) * scale;
    Rows::write(to + d, result, smaller(kStep, o.dim - d));
  }
  return along;
}

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
