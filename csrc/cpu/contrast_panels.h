// Rows of the contrastive engine in the type that they are computed in, packed for its two
// products. A row's elements lie one panel's width apart in one copy, together in the other.
//
// What a class of packed rows must offer, and the passes over the tiles (contrast_sums.h,
// contrast_gradient.h) ask for:
//
//   Element, Input            what is computed in; what the rows and their gradients are given in
//   kStoresTiles              whether to read a tile back is faster than to compute it again
//   read, read_one, write     kStep elements of the input as doubles; one; and back
//   bytes, scratch            sizes of the packed rows, and of a tile's weights (in elements)
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
  static constexpr int64_t kRowGroup = kRowStep;
  static constexpr int64_t kStep = Wide<T>::kStep;

  static int64_t bytes(const ContrastOperands<T>& o) {
    return o.padded_rows * (o.dim + o.padded_dim) * static_cast<int64_t>(sizeof(T));
  }
  static int64_t scratch(int64_t tile) { return tile * (tile + kRowPadding); }

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
      T* to = panels_ + d * o_.padded_rows + row * kPanel<T>;
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
    // Four rows at a time: the stores of a column then meet in one cache line.
    T* transposed = transposed_ + first * o_.dim;
    for (int64_t r = 0; r < kPanel<T>; r += 4) {
      for (int64_t d = 0; d < o_.dim; ++d) {
        const T* column = panels_ + d / kPanel<T> * kPanel<T> * o_.padded_rows +
                          (first + r) * kPanel<T> + d % kPanel<T>;
        T* out = transposed + d * kPanel<T> + r;
        for (int64_t i = 0; i < 4; ++i) out[i] = column[i * kPanel<T>];
      }
    }
  }

  SIMCLR_BENCH_INLINE Vec<double> unit(int64_t row, int64_t d) const {
    const int64_t panel = d / kPanel<T> * kPanel<T>;
    return Wide<T>::read(panels_ + panel * o_.padded_rows + row * kPanel<T> + d - panel);
  }

  SIMCLR_BENCH_INLINE Vec<double> sum(const T* gradient, int64_t /*row*/, int64_t d) const {
    return Wide<T>::read(gradient + d);
  }

  // Calls visit(row, column, block) for every register block of the tile, panel by panel, and
  // finish_panel(column) after each panel.
  template <typename Visit, typename FinishPanel>
  SIMCLR_BENCH_INLINE void for_each_block(const TileView<T>& view, Visit visit,
                                          FinishPanel finish_panel) const {
    for (int64_t column = 0; column < view.columns; column += kPanel<T>) {
      for (int64_t row = 0; row < view.rows; row += kRowStep) {
        Block<T> block;
        similarities(view.first_row + row, view.first_column + column, block);
        visit(row, column, block);
      }
      finish_panel(column);
    }
  }

  SIMCLR_BENCH_INLINE void keep_weights(const TileView<T>&, int64_t row, int64_t column,
                                        Block<T>& block, T* scratch) const {
    const int64_t stride = o_.tile + kRowPadding;
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      store(scratch + (row + r) * stride + column, block[r][0]);
      store(scratch + (row + r) * stride + column + kLanes<T>, block[r][1]);
    }
  }

  // The transposed product only if the tile serves its columns too.
  SIMCLR_BENCH_INLINE void add_products(const TileView<T>& view, bool columns, const T* scratch,
                                        T* gradients) const {
    const int64_t stride = o_.tile + kRowPadding;
    add_product(scratch, stride, 1, view.first_row, view.rows, view.first_column, view.columns,
                gradients);
    if (columns) {
      add_product(scratch, 1, stride, view.first_column, view.columns, view.first_row, view.rows,
                  gradients);
    }
  }

 private:
  // The similarities of kRowStep rows from padded row i and one panel of columns from padded row j.
  SIMCLR_BENCH_INLINE void similarities(int64_t i, int64_t j, Block<T>& block) const {
    const T* rows = transposed_ + i / kPanel<T> * o_.dim * kPanel<T> + i % kPanel<T>;
    const T* columns = transposed_ + j * o_.dim;
    clear<T>(block);
    multiply<T>(rows, 1, kPanel<T>, columns, smaller(o_.dim, kDepth), block);
    for (int64_t k = kDepth; k < o_.dim; k += kDepth) {
      Block<T> part;
      clear<T>(part);
      multiply<T>(rows + k * kPanel<T>, 1, kPanel<T>, columns + k * kPanel<T>,
                  smaller(o_.dim - k, kDepth), part);
#pragma GCC unroll 8
      for (int64_t r = 0; r < kRowStep; ++r) {
        block[r][0] += part[r][0];
        block[r][1] += part[r][1];
      }
    }
  }

  // gradients [rows, padded_dim] of `first_row` += weights·(rows of `first_column`).
  SIMCLR_BENCH_INLINE void add_product(const T* weights, int64_t row_stride, int64_t depth_stride,
                                       int64_t first_row, int64_t rows, int64_t first_column,
                                       int64_t columns, T* gradients) const {
    for (int64_t d = 0; d < o_.padded_dim; d += kPanel<T>) {
      const T* panel = panels_ + d * o_.padded_rows + first_column * kPanel<T>;
      for (int64_t row = 0; row < rows; row += kRowStep) {
        Block<T> block;
        clear<T>(block);
        multiply<T>(weights + row * row_stride, row_stride, depth_stride, panel, columns, block);
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRowStep; ++r) {
          T* sum = gradients + (first_row + row + r) * o_.padded_dim + d;
          store(sum, load(sum) + block[r][0]);
          store(sum + kLanes<T>, load(sum + kLanes<T>) + block[r][1]);
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
