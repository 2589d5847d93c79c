// What the contrastive engine does row by row: before the passes over the tiles, and after.

#pragma once

#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <typename T>
double length(const T* z, int64_t dim) {
  constexpr int64_t kStep = Wide<T>::kStep;
  Vec<double> squares{};
  int64_t d = 0;
  for (; d + kStep <= dim; d += kStep) {
    const Vec<double> v = Wide<T>::read(z + d);
    squares += v * v;
  }
  double sum = sum_of_lanes<double>(squares);
  for (; d < dim; ++d) sum += static_cast<double>(z[d]) * z[d];
  return __builtin_sqrt(sum);
}

template <typename T>
void pack(const ContrastOperands<T>& o, const T* z, int64_t rows, bool normalize, int64_t first,
          double* norms) {
  for (int64_t r = 0; r < kPanel<T>; ++r) {
    double inverse = 1;
    if (r < rows) {
      norms[r] = normalize ? length(z + r * o.dim, o.dim) : 1.0;
      inverse = 1 / (norms[r] < kNormEpsilon ? kNormEpsilon : norms[r]);  // a NaN passes
    }
    for (int64_t d = 0; d < o.padded_dim; d += kPanel<T>) {
      T* row = o.panels + d * o.padded_rows + (first + r) * kPanel<T>;
      const int64_t width = r < rows ? smaller(kPanel<T>, o.dim - d) : 0;
      int64_t c = 0;
      for (; c + Wide<T>::kStep <= width; c += Wide<T>::kStep) {
        Wide<T>::write(row + c, Wide<T>::read(z + r * o.dim + d + c) * inverse);
      }
      for (; c < width; ++c) row[c] = static_cast<T>(z[r * o.dim + d + c] * inverse);
      for (; c < kPanel<T>; ++c) row[c] = 0;
    }
  }
  // Four rows at a time: the stores of a column then meet in one cache line.
  T* transposed = o.transposed + first * o.dim;
  for (int64_t r = 0; r < kPanel<T>; r += 4) {
    for (int64_t d = 0; d < o.dim; ++d) {
      const T* column = o.panels + d / kPanel<T> * kPanel<T> * o.padded_rows +
                        (first + r) * kPanel<T> + d % kPanel<T>;
      T* out = transposed + d * kPanel<T> + r;
      for (int64_t i = 0; i < 4; ++i) out[i] = column[i * kPanel<T>];
    }
  }
}

template <typename T>
double dot(const ContrastOperands<T>& o, int64_t i, int64_t j) {
  Vec<double> sums{};
  for (int64_t d = 0; d < o.padded_dim; d += kPanel<T>) {
    const T* panel = o.panels + d * o.padded_rows;
    for (int64_t c = 0; c < kPanel<T>; c += Wide<T>::kStep) {
      sums += Wide<T>::read(panel + i * kPanel<T> + c) * Wide<T>::read(panel + j * kPanel<T> + c);
    }
  }
  return sum_of_lanes<double>(sums);
}

template <typename T>
double finish(const ContrastOperands<T>& o, int64_t i, int64_t pair, double attraction, double norm,
              bool normalize, double factor, const T* gradient, T* out) {
  constexpr int64_t kStep = Wide<T>::kStep;
  const auto unit = [&](int64_t row, int64_t d) SIMCLR_BENCH_LAMBDA {
    const int64_t panel = d / kPanel<T> * kPanel<T>;
    return Wide<T>::read(o.panels + panel * o.padded_rows + row * kPanel<T> + d - panel);
  };
  const auto total = [&](int64_t d) SIMCLR_BENCH_LAMBDA {
    return Wide<T>::read(gradient + d) - attraction * unit(pair, d);
  };
  Vec<double> sums{};
  for (int64_t d = 0; d < o.padded_dim; d += kStep) sums += total(d) * unit(i, d);
  const double along = sum_of_lanes<double>(sums);
  const double radial = normalize && !(norm < kNormEpsilon) ? along : 0.0;
  const double scale = factor / (norm < kNormEpsilon ? kNormEpsilon : norm);
  for (int64_t d = 0; d < o.dim; d += kStep) {
    const Vec<double> result = (total(d) - radial * unit(i, d)) * scale;
    if (d + kStep <= o.dim) {
      Wide<T>::write(out + d, result);
    } else {
      for (int64_t c = 0; c < o.dim - d; ++c) out[d + c] = static_cast<T>(result[c]);
    }
  }
  return along;
}

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
