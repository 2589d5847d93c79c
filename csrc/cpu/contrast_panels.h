// Rows of the contrastive engine in the type that they are computed in, packed for its two
// products. A row's elements lie one panel's width apart in one copy, together in the other.
//
// What a class of packed rows must offer, and the passes over the tiles (contrast_sums.h,
// contrast_gradient.h) ask for:
//
//   Element, Input            what is computed in; what the rows and their gradients are given in
//   kStoresTiles, kManyRows   as in ContrastKernels
//   read, read_one, write     kStep elements of the input as doubles; one; and back
//   bytes                     of the packed rows
//   parts, weights            elements that for_each_block and keep_weights need for a tile
//   pack_row, finish_panel    make the packed rows
//   unit                      kStep elements of a packed row
//   for_each_block            the similarities of a tile, one register block at a time
//   kRowGroup                 rows that it visits together, the last of which may not exist
//   keep_weights              one register block of a tile's weights G
//   add_products              adds G·rows and transposed(G)·rows to the gradients
//   sum                       kStep elements of one of those

#pragma once

#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

// block += a·b with a(r, k) = a[r * row_stride + k * depth_stride] and b [depth, kPanel].
template <typename T>
SIMCLR_BENCH_INLINE void multiply(const T* a, int64_t row_stride, int64_t depth_stride, const T* b,
                                  int64_t depth, Block<T>& block) {
  for (int64_t k = 0; k < depth; ++k) {
    const Vec<T> left = load(b + k * kPanel<T>);
    const Vec<T> right = load(b + k * kPanel<T> + kLanes<T>);
    const T* column = a + k * depth_stride;
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      block[r][0] += column[r * row_stride] * left;
      block[r][1] += column[r * row_stride] * right;
    }
  }
}

template <typename T>
class Panels {
 public:
  using Element = T;
  using Input = T;
  static constexpr bool kStoresTiles = true;
  static constexpr int64_t kManyRows = 4096;
  static constexpr int64_t kRowGroup = kRowStep;
  static constexpr int64_t kStep = Wide<T>::kStep;

  static int64_t bytes(const ContrastOperands<T>& o) {
    return o.padded_rows * (o.dim + o.padded_dim) * static_cast<int64_t>(sizeof(T));
  }
  static int64_t parts(int64_t tile) { return tile * tile; }
  static int64_t weights(int64_t tile) { return tile * tile; }

  static SIMCLR_BENCH_INLINE Vec<double> read(const T* z) { return Wide<T>::read(z); }
  static SIMCLR_BENCH_INLINE double read_one(T z) { return z; }
  static SIMCLR_BENCH_INLINE void write(T* out, Vec<double> v, int64_t count) {
    if (count == kStep) return Wide<T>::write(out, v);
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(v[i]);
  }

  explicit Panels(const ContrastOperands<T>& o)
      : o_(o),
        transposed_(static_cast<T*>(o.packed)),
        panels_(transposed_ + o.padded_rows * o.dim) {}

  // One row u = z·inverse, or of zeros if z is null.
  void pack_row(const T* z, double inverse, int64_t row) const {
    for (int64_t d = 0; d < o_.padded_dim; d += kPanel<T>) {
      T* to = at(row, d);
      const int64_t width = z ? smaller(kPanel<T>, o_.dim - d) : 0;
      int64_t c = 0;
      for (; c + kStep <= width; c += kStep) {
        Wide<T>::write(to + c, read(z + d + c) * inverse);
      }
      for (; c < width; ++c) to[c] = static_cast<T>(z[d + c] * inverse);
      for (; c < kPanel<T>; ++c) to[c] = 0;
    }
  }

  // The other copy of a panel of packed rows.
  void finish_panel(int64_t first) const {
    T* transposed = transposed_ + first * o_.dim;
#if defined(SIMCLR_BENCH_AVX512)
    if constexpr (kLanes<T> == 16) {
      for (int64_t d = 0; d < o_.dim; d += 16) {
        for (int64_t half = 0; half < kPanel<T>; half += 16) {
          Vec<T> square[16];
          for (int64_t r = 0; r < 16; ++r) square[r] = load(at(first + half + r, d));
          transpose(square);
          for (int64_t k = 0; k < smaller(16, o_.dim - d); ++k) {
            store(transposed + (d + k) * kPanel<T> + half, square[k]);
          }
        }
      }
      return;
    }
#endif
    // Four rows at a time: the stores of a column then meet in one cache line.
    for (int64_t r = 0; r < kPanel<T>; r += 4) {
      for (int64_t d = 0; d < o_.dim; ++d) {
        const T* column = at(first + r, d);
        T* out = transposed + d * kPanel<T> + r;
        for (int64_t i = 0; i < 4; ++i) out[i] = column[i * kPanel<T>];
      }
    }
  }

  SIMCLR_BENCH_INLINE Vec<double> unit(int64_t row, int64_t d) const {
    return Wide<T>::read(at(row, d));
  }

  SIMCLR_BENCH_INLINE Vec<double> sum(const T* gradients, int64_t row, int64_t d) const {
    return Wide<T>::read(gradient_at(o_, gradients, row, d));
  }

  // Calls visit(row, column, block) for every register block of the tile, panel by panel, and
  // finish_panel(column) after each panel. Sums over long rows are cut, so that what all panels
  // read of the rows stays near; `parts` [tile, tile] keeps what has been added up of them.
  template <typename Visit, typename FinishPanel>
  SIMCLR_BENCH_INLINE void for_each_block(const TileView<T>& view, T* parts, Visit visit,
                                          FinishPanel finish_panel) const {
    for (int64_t begin = 0; begin < o_.dim; begin += kDepth) {
      const int64_t end = smaller(o_.dim, begin + kDepth);
      for (int64_t column = 0; column < view.columns; column += kPanel<T>) {
        for (int64_t row = 0; row < view.rows_of(column); row += kRowStep) {
          Block<T> block;
          similarities(view.first_row + row, view.first_column + column, begin, end, block);
          T* part = parts + column * o_.tile + row * kPanel<T>;
          if (begin > 0) add(part, block);
          if (end == o_.dim) {
            visit(row, column, block);
          } else {
            keep(block, part);
          }
        }
        if (end == o_.dim) finish_panel(column);
      }
    }
  }

  // Weights are [tile / kWidth][tile rows][kWidth].
  SIMCLR_BENCH_INLINE void keep_weights(const TileView<T>&, int64_t row, int64_t column,
                                        Block<T>& block, T* weights) const {
    T* left = weights + weight_at(row, column);
    T* right = weights + weight_at(row, column + kLanes<T>);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      store(left + r * kWidth, block[r][0]);
      store(right + r * kWidth, block[r][1]);
    }
  }

  // The transposed product only if the tile serves its columns too.
  SIMCLR_BENCH_INLINE void add_products(const TileView<T>& view, const ContrastTile& tile,
                                        const T* weights, T* gradients) const {
    add_product(view.first_row, view.rows, tile.row_turn == 0, gradients,
                [&](int64_t d, int64_t row, Block<T>& block) SIMCLR_BENCH_LAMBDA {
                  const T* panel = panels_ + d * o_.padded_rows + view.first_column * kPanel<T>;
                  for (int64_t column = view.first_column_of(row, kWidth); column < view.columns;
                       column += kWidth) {
                    multiply<T>(weights + weight_at(row, column), kWidth, 1,
                                panel + column * kPanel<T>, smaller(kWidth, view.columns - column),
                                block);
                  }
                });
    if (!tile.columns) return;
    add_product(view.first_column, view.columns, tile.column_turn == 0, gradients,
                [&](int64_t d, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
                  multiply<T>(weights + weight_at(0, column), 1, kWidth,
                              panels_ + d * o_.padded_rows + view.first_row * kPanel<T>,
                              view.rows_of(column, kRowStep), block);
                });
  }

 private:
  // Weights that lie together: those of a row for one product, of all columns of a register block
  // for the other.
  static constexpr int64_t kWidth = kLanes<T> > kRowStep ? kLanes<T> : kRowStep;
  static_assert(kPanel<T> % kWidth == 0 && kWidth % kRowStep == 0);

  SIMCLR_BENCH_INLINE int64_t weight_at(int64_t row, int64_t column) const {
    const int64_t within = column % kWidth;
    return (column - within) * o_.tile + row * kWidth + within;
  }

  // Element d of a row, the first of those that lie together.
  SIMCLR_BENCH_INLINE T* at(int64_t row, int64_t d) const {
    const int64_t within = d % kPanel<T>;
    return panels_ + (d - within) * o_.padded_rows + row * kPanel<T> + within;
  }

  // The similarities of kRowStep rows from padded row i and one panel of columns from padded row j,
  // over the elements from `begin` to `end`.
  SIMCLR_BENCH_INLINE void similarities(int64_t i, int64_t j, int64_t begin, int64_t end,
                                        Block<T>& block) const {
    clear<T>(block);
    const T* columns = transposed_ + j * o_.dim;
    for (int64_t d = begin; d < end; d += kPanel<T>) {
      multiply<T>(at(i, d), kPanel<T>, 1, columns + d * kPanel<T>, smaller(kPanel<T>, end - d),
                  block);
    }
  }

  static SIMCLR_BENCH_INLINE void add(const T* from, Block<T>& block) {
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      block[r][0] += load(from + r * kPanel<T>);
      block[r][1] += load(from + r * kPanel<T> + kLanes<T>);
    }
  }

  static SIMCLR_BENCH_INLINE void keep(const Block<T>& block, T* to) {
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      store(to + r * kPanel<T>, block[r][0]);
      store(to + r * kPanel<T> + kLanes<T>, block[r][1]);
    }
  }

  // gradients of `count` rows from padded row `first` on += product(d, row, block), or = it.
  template <typename Product>
  SIMCLR_BENCH_INLINE void add_product(int64_t first, int64_t count, bool anew, T* gradients,
                                       Product product) const {
    for (int64_t d = 0; d < o_.padded_dim; d += kPanel<T>) {
      for (int64_t row = 0; row < count; row += kRowStep) {
        Block<T> block;
        clear<T>(block);
        product(d, row, block);
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRowStep; ++r) {
          T* sum = gradient_at(o_, gradients, first + row + r, d);
          store(sum, anew ? block[r][0] : load(sum) + block[r][0]);
          store(sum + kLanes<T>, anew ? block[r][1] : load(sum + kLanes<T>) + block[r][1]);
        }
      }
    }
  }

  const ContrastOperands<T>& o_;
  T* transposed_;  // [padded_rows / panel][D][panel]
  T* panels_;      // [padded_dim / panel][padded_rows][panel]
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
