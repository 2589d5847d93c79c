// The passes of the contrastive engine over rows that are packed as bfloat16. Weights G are cut
// into kWeightParts: two are right to 2^-17, three to 2^-26.

#pragma once

#include <type_traits>

#include "contrast_bfloat16_packed.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <typename Product, int64_t kRowParts, int64_t kWeightParts>
class BFloat16Rows : public PackedBFloat16<kRowParts> {
  using Packed = PackedBFloat16<kRowParts>;
  using Packed::at, Packed::columns_, Packed::factor_, Packed::inverse_, Packed::kUnits, Packed::o_,
      Packed::pairs_, Packed::panel_, Packed::rows_, Packed::transposed_;
  // So deep, one operand of a product stays in the nearest cache.
  static constexpr int64_t kChunk = kDepth / (kUnits ? 2 : 1);

 public:
  using Element = float;
  // A product of whole bfloat16 in tiles of registers is faster than memory.
  static constexpr bool kStoresTiles = kUnits || !Product::kInTiles;
  static constexpr int64_t kManyRows = Product::kInTiles ? 1024 : 4096;
  static constexpr int64_t kRowGroup = kSide;
  using Packed::Packed;
  static_assert(kPanel<float> == kSide && kSide % kRowStep == 0);

  static int64_t parts(int64_t tile) { return tile * tile; }
  static int64_t weights(int64_t tile) {
    return 2 * kWeightParts * tile * tile / 2;  // two copies, of half the size
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
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
