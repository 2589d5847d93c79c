// Rows of the contrastive engine as bfloat16, which CPUs multiply fastest: numbers of more digits
// are cut into parts that add up to them.
//
// Rows in bfloat16 (kRowParts = 1) are kept as they are given: only their lengths are adjusted, by
// powers of two, so that no product overflows. Similarities are products of rows, exact but for
// their sums in float, times what normalises the two:
//
//   r_i   = z_i·2^-e_i, inverse_i = 2^e_i / max(|z_i|, ε), so that u_i = r_i·inverse_i
//   s_ij  = (r_i·r_j)·inverse_i·inverse_j
//   W_ij  = G_ij·inverse_i·inverse_j, for rows and columns alike
//   Σ_j G_ij·u_j = Σ_j W_ij·r_j / inverse_i
//
// Rows in float (kRowParts = 3) are normalised, so that no part of an element that matters is too
// small for a bfloat16, rounded to float, and cut without a remainder: r_i = u_i, W_ij = G_ij.
//
// Weights G are cut into kWeightParts: two are right to 2^-17, three to 2^-26.

#pragma once

#include <type_traits>

#include "bfloat16.h"
#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <typename Product, int64_t kRowParts, int64_t kWeightParts>
class BFloat16Rows {
  static constexpr bool kUnits = kRowParts > 1;
  // So deep, one operand of a product stays in the nearest cache.
  static constexpr int64_t kChunk = kDepth / (kUnits ? 2 : 1);

 public:
  using Element = float;
  using Input = std::conditional_t<kUnits, float, Bits>;
  // A product of whole bfloat16 in tiles of registers is faster than memory.
  static constexpr bool kStoresTiles = kUnits || !Product::kInTiles;
  static constexpr int64_t kManyRows = Product::kInTiles ? 1024 : 4096;
  static constexpr int64_t kRowGroup = kSide;
  static constexpr int64_t kStep = kLanes<double>;
  static_assert(kPanel<float> == kSide && kSide % kRowStep == 0);

  static int64_t bytes(const ContrastOperands<float>& o) {
    const int64_t elements = o.padded_rows * o.padded_dim;
    return o.padded_rows * (sizeof(double) + sizeof(float)) +
           4 * elements * kRowParts * sizeof(Bits);
  }
  static int64_t parts(int64_t tile) { return tile * tile; }
  static int64_t weights(int64_t tile) {
    return 2 * kWeightParts * tile * tile / 2;  // two copies, of half the size
  }

  static SIMCLR_BENCH_INLINE Vec<double> read(const float* z) { return Wide<float>::read(z); }
  static SIMCLR_BENCH_INLINE Vec<double> read(const Bits* z) { return wide(eight_at(z)); }
  static SIMCLR_BENCH_INLINE double read_one(float z) { return z; }
  static SIMCLR_BENCH_INLINE double read_one(Bits z) { return to_float(z); }
  static SIMCLR_BENCH_INLINE void write(float* out, Vec<double> v, int64_t count) {
    const __m256 numbers = _mm512_cvtpd_ps(v);
    __builtin_memcpy(out, &numbers, count * sizeof(float));
  }
  static SIMCLR_BENCH_INLINE void write(Bits* out, Vec<double> v, int64_t count) {
    const auto bits = _mm256_cvtneps_pbh(_mm512_cvtpd_ps(v));
    __builtin_memcpy(out, &bits, count * sizeof(Bits));
  }

  explicit BFloat16Rows(const ContrastOperands<float>& o)
      : o_(o),
        panel_(o.padded_dim * kRowParts * kSide),
        inverse_(static_cast<double*>(o.packed)),
        factor_(reinterpret_cast<float*>(inverse_ + o.padded_rows)),
        rows_(reinterpret_cast<Bits*>(factor_ + o.padded_rows)),
        columns_(rows_ + o.padded_rows / kSide * panel_),
        pairs_(columns_ + o.padded_rows / kSide * panel_),
        transposed_(pairs_ + o.padded_rows / kSide * panel_) {}

  void pack_row(const Input* z, double inverse, int64_t row) const {
    const double power = kUnits ? inverse : power_of_two_below(inverse);
    inverse_[row] = z ? inverse / power : 0;
    factor_[row] = static_cast<float>(inverse_[row]);
    for (int64_t d = 0; d < o_.padded_dim; d += kSide) {
      alignas(64) float numbers[kSide];
      for (int64_t i = 0; i < kSide; i += kStep) {
        Input some[kStep] = {};
        if (z && d + i < o_.dim) {
          __builtin_memcpy(some, z + d + i, smaller(kStep, o_.dim - d - i) * sizeof(Input));
        }
        Wide<float>::write(numbers + i, read(some) * power);
      }
      Vec<float> first = load(numbers);
      Vec<float> second = load(numbers + 16);
      Bits* to = at(rows_, row, d) + row % kSide * kSide;
      for (int64_t part = 0; part < kRowParts; ++part) {
        put(to + part * kStepElements, take_part(first, second));
      }
    }
  }

  // The other three copies of 32 packed rows.
  void finish_panel(int64_t first) const {
    for (int64_t step = 0; step < panel_; step += kStepElements) {
      const int64_t start = first / kSide * panel_ + step;
      const Bits* rows = rows_ + start;
      Words square[16];
      for (int64_t half = 0; half < 2; ++half) {
        for (int64_t r = 0; r < 16; ++r)
          square[r] = vector_at<Words>(rows + (16 * half + r) * kSide);
        transpose(square);
        for (int64_t k = 0; k < 16; ++k)
          put(columns_ + start + k * 2 * kSide + half * kSide, square[k]);
      }
      for (int half = 0; half < 2; ++half) {
        for (int64_t r = 0; r < 16; ++r) {
          const Bits* two = rows + 2 * r * kSide;
          const Halves even = vector_at<Halves>(two);
          const Halves odd = vector_at<Halves>(two + kSide);
          square[r] = half ? paired<1>(even, odd) : paired<0>(even, odd);
          put(pairs_ + start + r * 2 * kSide + half * kSide, square[r]);
        }
        transpose(square);
        for (int64_t k = 0; k < 16; ++k)
          put(transposed_ + start + (16 * half + k) * kSide, square[k]);
      }
    }
  }

  SIMCLR_BENCH_INLINE Vec<double> unit(int64_t row, int64_t d) const {
    const Bits* from = at(rows_, row, d) + row % kSide * kSide + d % kSide;
    __m256 sum = eight_at(from + (kRowParts - 1) * kStepElements);
    for (int64_t part = kRowParts - 2; part >= 0; --part) {
      sum += eight_at(from + part * kStepElements);
    }
    return kUnits ? wide(sum) : wide(sum) * inverse_[row];
  }

  SIMCLR_BENCH_INLINE Vec<double> sum(const float* gradients, int64_t row, int64_t d) const {
    const Vec<double> sum = Wide<float>::read(gradient_at(o_, gradients, row, d));
    return kUnits ? sum : sum / inverse_[row];
  }

  template <typename Visit, typename FinishPanel>
  SIMCLR_BENCH_INLINE void for_each_block(const TileView<float>& view, float* parts, Visit visit,
                                          FinishPanel finish_panel) const {
    Product product;
    for (int64_t begin = 0; begin < o_.padded_dim; begin += kChunk) {
      const int64_t end = smaller(o_.padded_dim, begin + kChunk);
      for (int64_t column = 0; column < view.columns; column += kSide) {
        for (int64_t group = 0; group < view.rows_of(column); group += kSide) {
          alignas(64) float sums[kSide * kSide];
          product.start(sums);
          product.template add<kRowParts, kRowParts>(
              at(rows_, view.first_row + group, begin), kRowParts * kStepElements,
              at(columns_, view.first_column + column, begin), kRowParts * kStepElements,
              steps_of(end - begin), sums);
          product.finish(sums);
          float* part = parts + column * o_.tile + group * kSide;
          if (begin > 0) add(part, sums);
          if (end < o_.padded_dim) {
            __builtin_memcpy(part, sums, sizeof(sums));
            continue;
          }
          for (int64_t row = group; row < group + kSide; row += kRowStep) {
            Block<float> block;
#pragma GCC unroll 8
            for (int64_t r = 0; r < kRowStep; ++r) {
              block[r][0] = load(sums + (row - group + r) * kSide);
              block[r][1] = load(sums + (row - group + r) * kSide + 16);
            }
            normalize(view, row, column, block);
            visit(row, column, block);
          }
        }
        if (end == o_.padded_dim) finish_panel(column);
      }
    }
  }

  // Two copies: [row panels][column panels] steps of rows, [column panels][row panels] of pairs.
  SIMCLR_BENCH_INLINE void keep_weights(const TileView<float>& view, int64_t row, int64_t column,
                                        Block<float>& block, float* weights) const {
    normalize(view, row, column, block);
    const int64_t within = row % kSide * kSide;
    Bits* rows = weights_at(rows_of(weights), row, column) + within;
    Bits* pairs = weights_at(pairs_of(weights), column, row) + within;
    for (int64_t part = 0; part < kWeightParts; ++part) {
#pragma GCC unroll 4
      for (int64_t r = 0; r < kRowStep; r += 2) {
        const Halves two[2] = {take_part(block[r][0], block[r][1]),
                               take_part(block[r + 1][0], block[r + 1][1])};
        __builtin_memcpy(rows + r * kSide, two, sizeof(two));
        const Words both[2] = {paired<0>(two[0], two[1]), paired<1>(two[0], two[1])};
        __builtin_memcpy(pairs + r * kSide, both, sizeof(both));
      }
      rows += kStepElements;
      pairs += kStepElements;
    }
  }

  SIMCLR_BENCH_INLINE void add_products(const TileView<float>& view, const ContrastTile& tile,
                                        const float* weights, float* gradients) const {
    constexpr int64_t kWeightStep = kWeightParts * kStepElements;
    Product product;
    alignas(64) float sums[kSide * kSide];
    for (int64_t begin = 0; begin < view.columns; begin += kChunk) {
      const int64_t end = smaller(view.columns, begin + kChunk);
      for (int64_t d = 0; d < o_.padded_dim; d += kSide) {
        for (int64_t row = 0; row < view.rows; row += kSide) {
          const int64_t start = view.first_column_of(row);
          const int64_t first = begin > start ? begin : start;
          if (first >= end) continue;
          product.start(sums);
          product.template add<kWeightParts, kRowParts>(
              weights_at(rows_of(weights), row, first), kWeightStep,
              at(pairs_, view.first_column + first, d), panel_, steps_of(end - first), sums);
          product.finish(sums);
          float* to = gradient_at(o_, gradients, view.first_row + row, d);
          if (tile.row_turn > 0 || first > start) add(to, sums);
          __builtin_memcpy(to, sums, sizeof(sums));
        }
      }
    }
    if (!tile.columns) return;
    for (int64_t begin = 0; begin < view.rows; begin += kChunk) {
      for (int64_t d = 0; d < o_.padded_dim; d += kSide) {
        for (int64_t column = 0; column < view.columns; column += kSide) {
          const int64_t end = smaller(view.rows_of(column), begin + kChunk);
          if (begin >= end) continue;
          product.start(sums);
          product.template add<kRowParts, kWeightParts>(
              at(transposed_, view.first_row + begin, d), panel_,
              weights_at(pairs_of(weights), column, begin), kWeightStep, steps_of(end - begin),
              sums);
          product.finish(sums);
          add_transposed(sums, tile.column_turn == 0 && begin == 0,
                         gradient_at(o_, gradients, view.first_column + column, d));
        }
      }
    }
  }

 private:
  static SIMCLR_BENCH_INLINE int64_t steps_of(int64_t depth) { return (depth + kSide - 1) / kSide; }

  static SIMCLR_BENCH_INLINE __m256 eight_at(const Bits* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static SIMCLR_BENCH_INLINE Vec<double> wide(__m256 v) { return _mm512_cvtps_pd(v); }

  // 1 if there is none.
  static double power_of_two_below(double x) {
    uint64_t bits;
    __builtin_memcpy(&bits, &x, sizeof(bits));
    bits &= uint64_t{0x7ff} << 52;
    if (bits == 0 || bits == uint64_t{0x7ff} << 52) return 1;
    __builtin_memcpy(&x, &bits, sizeof(bits));
    return x;
  }

  // The step of a copy of the rows where element d of a row is.
  SIMCLR_BENCH_INLINE Bits* at(Bits* copy, int64_t row, int64_t d) const {
    return copy + row / kSide * panel_ + d / kSide * kRowParts * kStepElements;
  }

  template <typename Float>
  SIMCLR_BENCH_INLINE auto rows_of(Float* weights) const {
    return reinterpret_cast<std::conditional_t<std::is_const_v<Float>, const Bits, Bits>*>(weights);
  }
  template <typename Float>
  SIMCLR_BENCH_INLINE auto pairs_of(Float* weights) const {
    return rows_of(weights) + kWeightParts * o_.tile * o_.tile;
  }
  // The step of a copy of the weights.
  template <typename Pointer>
  SIMCLR_BENCH_INLINE Pointer weights_at(Pointer copy, int64_t i, int64_t j) const {
    return copy + (i / kSide * o_.tile + j / kSide * kSide) * kWeightParts * kSide;
  }

  // block_ij *= inverse_i·inverse_j
  SIMCLR_BENCH_INLINE void normalize(const TileView<float>& view, int64_t row, int64_t column,
                                     Block<float>& block) const {
    if constexpr (kUnits) return;
    const Vec<float> left = load(factor_ + view.first_column + column);
    const Vec<float> right = load(factor_ + view.first_column + column + 16);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      const float of_row = factor_[view.first_row + row + r];
      block[r][0] *= left * of_row;
      block[r][1] *= right * of_row;
    }
  }

  // sums += what was there
  static SIMCLR_BENCH_INLINE void add(const float* there, float* sums) {
    for (int64_t i = 0; i < kSide * kSide; i += 16) {
      store(sums + i, load(there + i) + load(sums + i));
    }
  }

  // to [32 columns, 32 of D] += transposed sums [32 of D, 32 columns], or = them
  SIMCLR_BENCH_INLINE void add_transposed(const float* sums, bool anew, float* to) const {
    for (int64_t d = 0; d < kSide; d += 16) {
      for (int64_t column = 0; column < kSide; column += 16) {
        Vec<float> square[16];
        for (int64_t i = 0; i < 16; ++i) square[i] = load(sums + (d + i) * kSide + column);
        transpose(square);
        for (int64_t i = 0; i < 16; ++i) {
          float* row = to + (column + i) * kSide + d;
          store(row, anew ? square[i] : load(row) + square[i]);
        }
      }
    }
  }

  const ContrastOperands<float>& o_;
  const int64_t panel_;  // elements of 32 packed rows
  double* inverse_;      // [padded_rows]
  float* factor_;        // [padded_rows], the same
  // [padded_rows / 32][padded_dim / 32][kRowParts], and each of those
  Bits* rows_;        // [32 rows][32 of D]: a for similarities
  Bits* columns_;     // [16 of D][32 rows][2 of D]: b for similarities
  Bits* pairs_;       // [16 rows][32 of D][2 rows]: b for gradients of rows
  Bits* transposed_;  // [32 of D][32 rows]: a for those of columns
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
