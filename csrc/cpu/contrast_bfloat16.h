// Rows of the contrastive engine in bfloat16, as they are given: only their lengths are adjusted,
// by powers of two, so that no product overflows. Similarities are products of rows, exact but for
// their sums in float, times what normalises the two. Weights G are cut into kParts bfloat16 each:
// with two, they are right to 2^-17.
//
//   r_i   = z_i·2^-e_i, inverse_i = 2^e_i / max(|z_i|, ε), so that u_i = r_i·inverse_i
//   s_ij  = (r_i·r_j)·inverse_i·inverse_j
//   W_ij  = G_ij·inverse_i·inverse_j, for rows and columns alike
//   Σ_j G_ij·u_j = Σ_j W_ij·r_j / inverse_i

#pragma once

#include "bfloat16.h"
#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <typename Product, int64_t kParts>
class BFloat16Rows {
 public:
  using Element = float;
  using Input = Bits;
  static constexpr bool kStoresTiles = !Product::kFasterThanMemory;
  static constexpr int64_t kRowGroup = kSide;
  static constexpr int64_t kStep = kLanes<double>;
  static_assert(kPanel<float> == kSide && kSide % kRowStep == 0);

  static int64_t bytes(const ContrastOperands<float>& o) {
    const int64_t elements = o.padded_rows * o.padded_dim;
    return o.padded_rows * (sizeof(double) + sizeof(float)) + 4 * elements * sizeof(Bits);
  }
  static int64_t parts(int64_t) { return 0; }
  static int64_t weights(int64_t tile) {
    return 2 * kParts * tile * tile / 2;  // two copies, of half the size
  }

  static SIMCLR_BENCH_INLINE Vec<double> read(const Bits* z) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(z));
    const __m256i words = _mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16);
    return _mm512_cvtps_pd(_mm256_castsi256_ps(words));
  }
  static SIMCLR_BENCH_INLINE double read_one(Bits z) { return to_float(z); }
  static SIMCLR_BENCH_INLINE void write(Bits* out, Vec<double> v, int64_t count) {
    const auto bits = _mm256_cvtneps_pbh(_mm512_cvtpd_ps(v));
    __builtin_memcpy(out, &bits, count * sizeof(Bits));
  }

  explicit BFloat16Rows(const ContrastOperands<float>& o)
      : o_(o),
        inverse_(static_cast<double*>(o.packed)),
        factor_(reinterpret_cast<float*>(inverse_ + o.padded_rows)),
        rows_(reinterpret_cast<Bits*>(factor_ + o.padded_rows)),
        columns_(rows_ + o.padded_rows * o.padded_dim),
        pairs_(columns_ + o.padded_rows * o.padded_dim),
        transposed_(pairs_ + o.padded_rows * o.padded_dim) {}

  void pack_row(const Bits* z, double inverse, int64_t row) const {
    const double power = power_of_two_below(inverse);
    inverse_[row] = z ? inverse / power : 0;
    factor_[row] = static_cast<float>(inverse_[row]);
    for (int64_t d = 0; d < o_.padded_dim; d += kStep) {
      Bits* to = row_at(row, d);
      Bits part[kStep] = {};
      if (z && d < o_.dim) __builtin_memcpy(part, z + d, smaller(kStep, o_.dim - d) * sizeof(Bits));
      write(to, read(part) * power, kStep);
    }
  }

  // The other three copies of 32 packed rows.
  void finish_panel(int64_t first) const {
    for (int64_t d = 0; d < o_.padded_dim; d += kSide) {
      const Bits* rows = row_at(first, d);
      Words square[16];
      Bits* columns = columns_ + first * o_.padded_dim + d * kSide;
      for (int64_t half = 0; half < 2; ++half) {
        for (int64_t r = 0; r < 16; ++r)
          square[r] = vector_at<Words>(rows + (16 * half + r) * kSide);
        transpose(square);
        for (int64_t k = 0; k < 16; ++k) put(columns + k * 2 * kSide + half * kSide, square[k]);
      }
      Bits* pairs = pairs_ + d * o_.padded_rows + first * kSide;
      Bits* transposed = transposed_ + first * o_.padded_dim + d * kSide;
      for (int half = 0; half < 2; ++half) {
        for (int64_t r = 0; r < 16; ++r) {
          const Bits* two = rows + 2 * r * kSide;
          const Halves even = vector_at<Halves>(two);
          const Halves odd = vector_at<Halves>(two + kSide);
          square[r] = half ? paired<1>(even, odd) : paired<0>(even, odd);
          put(pairs + r * 2 * kSide + half * kSide, square[r]);
        }
        transpose(square);
        for (int64_t k = 0; k < 16; ++k) put(transposed + (16 * half + k) * kSide, square[k]);
      }
    }
  }

  SIMCLR_BENCH_INLINE Vec<double> unit(int64_t row, int64_t d) const {
    return read(row_at(row, d)) * inverse_[row];
  }

  SIMCLR_BENCH_INLINE Vec<double> sum(const float* gradients, int64_t row, int64_t d) const {
    return Wide<float>::read(gradient_at(o_, gradients, row, d)) / inverse_[row];
  }

  template <typename Visit, typename FinishPanel>
  SIMCLR_BENCH_INLINE void for_each_block(const TileView<float>& view, float*, Visit visit,
                                          FinishPanel finish_panel) const {
    Product product;
    alignas(64) float sums[kSide * kSide];
    for (int64_t column = 0; column < view.columns; column += kSide) {
      for (int64_t group = 0; group < view.rows_of(column); group += kSide) {
        similarities(product, view.first_row + group, view.first_column + column, sums);
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
      finish_panel(column);
    }
  }

  SIMCLR_BENCH_INLINE void keep_weights(const TileView<float>& view, int64_t row, int64_t column,
                                        Block<float>& block, float* weights) const {
    normalize(view, row, column, block);
    const int64_t part_size = o_.tile * o_.tile;
    Bits* rows = reinterpret_cast<Bits*>(weights) + column * o_.tile + row * kSide;
    Bits* pairs = rows + kParts * part_size;
    for (int64_t part = 0; part < kParts; ++part) {
#pragma GCC unroll 4
      for (int64_t r = 0; r < kRowStep; r += 2) {
        const Halves two[2] = {to_bfloat16(block[r][0], block[r][1]),
                               to_bfloat16(block[r + 1][0], block[r + 1][1])};
        __builtin_memcpy(rows + r * kSide, two, sizeof(two));
        const Words both[2] = {paired<0>(two[0], two[1]), paired<1>(two[0], two[1])};
        __builtin_memcpy(pairs + r * kSide, both, sizeof(both));
        if (part + 1 == kParts) continue;
        for (int64_t i = 0; i < 2; ++i) {
          block[r + i][0] -= to_float<0>(two[i]);
          block[r + i][1] -= to_float<1>(two[i]);
        }
      }
      rows += part_size;
      pairs += part_size;
    }
  }

  SIMCLR_BENCH_INLINE void add_products(const TileView<float>& view, const ContrastTile& tile,
                                        const float* weights, float* gradients) const {
    Product product;
    alignas(64) float sums[kSide * kSide];
    const int64_t part_size = o_.tile * o_.tile;
    const Bits* rows = reinterpret_cast<const Bits*>(weights);
    const Bits* pairs = rows + kParts * part_size;
    for (int64_t row = 0; row < view.rows; row += kSide) {
      const int64_t first = view.first_column_of(row);
      for (int64_t d = 0; d < o_.padded_dim; d += kSide) {
        product.start(sums);
        for (int64_t part = kParts - 1; part >= 0; --part) {
          product.add(rows + part * part_size + first * o_.tile + row * kSide, o_.tile * kSide,
                      pairs_ + d * o_.padded_rows + (view.first_column + first) * kSide,
                      steps_of(view.columns - first), sums);
        }
        product.finish(sums);
        float* to = gradient_at(o_, gradients, view.first_row + row, d);
        for (int64_t i = 0; i < kSide * kSide; i += 16) {
          const Vec<float> sum = load(sums + i);
          store(to + i, tile.row_turn == 0 ? sum : load(to + i) + sum);
        }
      }
    }
    if (!tile.columns) return;
    for (int64_t column = 0; column < view.columns; column += kSide) {
      for (int64_t d = 0; d < o_.padded_dim; d += kSide) {
        product.start(sums);
        for (int64_t part = kParts - 1; part >= 0; --part) {
          product.add(transposed_ + view.first_row * o_.padded_dim + d * kSide,
                      o_.padded_dim * kSide, pairs + part * part_size + column * o_.tile,
                      steps_of(view.rows_of(column)), sums);
        }
        product.finish(sums);
        add_transposed(sums, tile.column_turn == 0,
                       gradient_at(o_, gradients, view.first_column + column, d));
      }
    }
  }

 private:
  static SIMCLR_BENCH_INLINE int64_t steps_of(int64_t depth) { return (depth + kSide - 1) / kSide; }

  // 1 if there is none.
  static double power_of_two_below(double x) {
    uint64_t bits;
    __builtin_memcpy(&bits, &x, sizeof(bits));
    bits &= uint64_t{0x7ff} << 52;
    if (bits == 0 || bits == uint64_t{0x7ff} << 52) return 1;
    __builtin_memcpy(&x, &bits, sizeof(bits));
    return x;
  }

  SIMCLR_BENCH_INLINE Bits* row_at(int64_t row, int64_t d) const {
    return rows_ + d / kSide * kSide * o_.padded_rows + row * kSide + d % kSide;
  }

  // Sums [32 rows, 32] of r_i·r_j for rows from i and from j on.
  SIMCLR_BENCH_INLINE void similarities(Product& product, int64_t i, int64_t j, float* sums) const {
    constexpr int64_t kMostSteps = kDepth / kSide;
    alignas(64) float part[kSide * kSide];
    const Bits* columns = columns_ + j * o_.padded_dim;
    for (int64_t d = 0; d < o_.padded_dim; d += kDepth) {
      float* to = d ? part : sums;
      product.start(to);
      product.add(row_at(i, d), o_.padded_rows * kSide, columns + d * kSide,
                  smaller(kMostSteps, (o_.padded_dim - d) / kSide), to);
      product.finish(to);
      for (int64_t at = 0; d && at < kSide * kSide; at += 16) {
        store(sums + at, load(sums + at) + load(part + at));
      }
    }
  }

  // block_ij *= inverse_i·inverse_j
  SIMCLR_BENCH_INLINE void normalize(const TileView<float>& view, int64_t row, int64_t column,
                                     Block<float>& block) const {
    const Vec<float> left = load(factor_ + view.first_column + column);
    const Vec<float> right = load(factor_ + view.first_column + column + 16);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      const float of_row = factor_[view.first_row + row + r];
      block[r][0] *= left * of_row;
      block[r][1] *= right * of_row;
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
  double* inverse_;   // [padded_rows]
  float* factor_;     // [padded_rows], the same
  Bits* rows_;        // [padded_dim / 32][padded_rows][32]: a for similarities
  Bits* columns_;     // [padded_rows / 32][padded_dim / 2][32][2]: b for similarities
  Bits* pairs_;       // [padded_dim / 32][padded_rows / 2][32][2]: b for gradients of rows
  Bits* transposed_;  // [padded_rows / 32][padded_dim][32]: a for those of columns
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
