// What the kernels of the contrastive forward share: which tiles they have, and sums over the rows
// and columns of a tile of similarities.

#pragma once

#include "tile.cuh"

namespace simclr_bench {

// The tiles of one pass: those of row blocks first .. first + count - 1.
struct Pass {
  bool towers;  // rows of the first view, columns of the second; else all on and above the diagonal
  int64_t first, count;
  int64_t run;       // column blocks that a partial sum of a row covers
  int column_parts;  // partial sums of a column per row block

  __host__ __device__ int64_t first_column(const Layout& layout, int64_t row_block) const {
    return towers ? layout.view_blocks : row_block;
  }
  __host__ __device__ int64_t end_column(const Layout& layout) const {
    return towers ? layout.own_blocks() : layout.blocks();
  }
  __host__ __device__ int64_t runs(const Layout& layout, int64_t row_block) const {
    return ceil_div(end_column(layout) - first_column(layout, row_block), run);
  }
};

// Σ 2^((s - m)·scale), and m, the largest of its s; without maxima m = 0.
struct Partials {
  float* row_sums;     // [runs of the first row block, count, kTile]
  float* column_sums;  // [count, column_parts, own rows]
  float* row_maxima;   // null without
  float* column_maxima;
};

// Adds a pass's tiles up. For devices that run code for sm_90a: sm90.
cudaError_t add_tiles(const SimclrBenchContrast& problem, const Contrast& c, const Pass& pass,
                      const Partials& partials, cudaStream_t stream);
namespace sm90 {
cudaError_t add_tiles(const SimclrBenchContrast& problem, const Contrast& c, const Pass& pass,
                      const Partials& partials, cudaStream_t stream);
constexpr int kColumnParts = 2;
}  // namespace sm90

struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Largest {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// Of the four lanes that share a row.
template <typename Combine>
__device__ float combine_four(float x, Combine combine) {
  x = combine(x, __shfl_xor_sync(0xffffffff, x, 1));
  return combine(x, __shfl_xor_sync(0xffffffff, x, 2));
}

// Of the eight lanes that share columns, which have `count` values each: lane / 4 = g gets values
// g·count / 8 and following of all of them, in front.
template <int count, int lanes = 16, typename Combine>
__device__ void combine_eight(float* x, Combine combine) {
  if constexpr (lanes >= 4) {
    const bool upper = threadIdx.x & lanes;
#pragma unroll
    for (int i = 0; i < count / 2; ++i) {
      const float mine = upper ? x[i + count / 2] : x[i];
      const float theirs = upper ? x[i] : x[i + count / 2];
      x[i] = combine(mine, __shfl_xor_sync(0xffffffff, theirs, lanes));
    }
    combine_eight<count / 2, lanes / 2>(x, combine);
  }
}

// What a warp's part of a tile, 16·kRowTiles rows and 8·kColumnTiles columns, is multiplied with.
template <int kRowTiles, int kColumnTiles>
struct Scales {
  float rows[2 * kRowTiles];
  float2 columns[kColumnTiles];

  // row, column: padded indices of this lane's first ones.
  __device__ Scales(const Contrast& c, int64_t row, int64_t column, float factor) {
#pragma unroll
    for (int i = 0; i < 2 * kRowTiles; ++i) rows[i] = c.scales[row + 8 * i] * factor;
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n)
      columns[n] = *reinterpret_cast<const float2*>(c.scales + column + 8 * n);
  }
};

// A warp's part of a tile: s[m][n] are its 16 x 8, as mma.sync and wgmma leave them.
template <int kRowTiles, int kColumnTiles>
struct Similarities {
  float s[kRowTiles][kColumnTiles][4];

  // products: m, n, r -> unscaled. row, column: of this lane's first ones in the tile. -inf for
  // pairs that do not count.
  template <typename Pairs, typename Products>
  __device__ Similarities(const Scales<kRowTiles, kColumnTiles>& scales, const Pairs& pairs,
                          int row, int column, Products products) {
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          const float of_column = r % 2 ? scales.columns[n].y : scales.columns[n].x;
          s[m][n][r] = products(m, n, r) * (scales.rows[2 * m + r / 2] * of_column);
        }
      }
    }
    if (pairs.all()) return;
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          if (!pairs.contain(row + 16 * m + 8 * (r / 2), column + 8 * n + r % 2))
            s[m][n][r] = -INFINITY;
        }
      }
    }
  }

  template <typename Change>
  __device__ void replace(Change change) {
#pragma unroll
    for (int i = 0; i < kRowTiles * kColumnTiles * 4; ++i) {
      float& x = s[i / (4 * kColumnTiles)][i / 4 % kColumnTiles][i % 4];
      x = change(x);
    }
  }

  // Makes exponentials of exponents: without maxima, before any sum.
  __device__ void exponentiate() {
    replace([](float x) { return exp2_approx(x); });
  }

  // Adds this lane's part of row 16m + 8·half + lane / 4 to a sum with `top` taken out. The four
  // lanes of a row have one top.
  template <bool kMaxima>
  __device__ void add_row(int m, int half, float scale, float& top, float& sum) const {
    float shift = 0;
    if constexpr (kMaxima) {
      float largest = top;
#pragma unroll
      for (int n = 0; n < kColumnTiles; ++n)
        largest = fmaxf(largest, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
      largest = combine_four(largest, Largest());
      shift = finite(largest);
      sum *= exp2_approx((top - shift) * scale);
      top = largest;
    }
    float added = 0;
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
      const float x = s[m][n][2 * half];
      const float y = s[m][n][2 * half + 1];
      added +=
          kMaxima ? exp2_approx((x - shift) * scale) + exp2_approx((y - shift) * scale) : x + y;
    }
    sum += added;
  }

  // Writes the warp's sums of its columns, and their maxima.
  template <bool kMaxima>
  __device__ void write_columns(float scale, float* sums, float* maxima) const {
    constexpr int kEach = kColumnTiles / 4;  // of a lane in the end
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float x[2 * kColumnTiles];
    const auto write = [&](float* to) {
#pragma unroll
      for (int i = 0; i < kEach / 2; ++i) {
        const int n = lane / 4 * (kEach / 2) + i;
        *reinterpret_cast<float2*>(to + 8 * n + 2 * (lane % 4)) = {x[2 * i], x[2 * i + 1]};
      }
    };
    if constexpr (kMaxima) {
#pragma unroll
      for (int i = 0; i < 2 * kColumnTiles; ++i) {
        x[i] = -INFINITY;
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m)
          x[i] = fmaxf(x[i], fmaxf(s[m][i / 2][i % 2], s[m][i / 2][i % 2 + 2]));
      }
      combine_eight<2 * kColumnTiles>(x, Largest());
      write(maxima);
      __syncwarp();
    }
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
      float2 shift{0, 0};
      if constexpr (kMaxima)
        shift = *reinterpret_cast<const float2*>(maxima + 8 * n + 2 * (lane % 4));
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float top = finite(r ? shift.y : shift.x);
        float& sum = x[2 * n + r];
        sum = 0;
#pragma unroll
        for (int i = 0; i < 2 * kRowTiles; ++i) {
          const float each = s[i / 2][n][r + i % 2 * 2];
          sum += kMaxima ? exp2_approx((each - top) * scale) : each;
        }
      }
    }
    combine_eight<2 * kColumnTiles>(x, Add());
    write(sums);
  }
};

// One row's or column's sums of kCount warps, in shared memory and kTile apart, to one.
template <int kCount, bool kMaxima>
__device__ void write_total(const float* sums, const float* maxima, float scale, float* to_sum,
                            float* to_maximum) {
  float top = -INFINITY;
  if constexpr (kMaxima) {
    for (int i = 0; i < kCount; ++i) top = fmaxf(top, maxima[i * kTile]);
    *to_maximum = top;
  }
  float sum = 0;
  for (int i = 0; i < kCount; ++i) {
    const int at = i * kTile;
    sum += kMaxima ? sums[at] * exp2_approx((maxima[at] - finite(top)) * scale) : sums[at];
  }
  *to_sum = sum;
}

// A sum with its largest exponent, or with 0, taken out.
template <bool kMaxima>
struct RunningSum {
  float top = kMaxima ? -INFINITY : 0.0f;
  double sum = 0;

  __device__ void add(float other_sum, float other_top, float scale) {
    if constexpr (kMaxima) {
      if (other_top > top) {
        sum *= exp2_approx((top - other_top) * scale);
        top = other_top;
      }
      sum += other_sum * exp2_approx((other_top - finite(top)) * scale);
    } else {
      sum += other_sum;
    }
  }

  // All partial sums of a row.
  __device__ void add(const Layout& layout, const Pass& pass, const Partials& in, int64_t row,
                      float scale) {
    const int64_t block = row / kTile;
    const bool is_column = !pass.towers || block >= layout.view_blocks;
    const int64_t above = block - pass.first < pass.count ? block - pass.first : pass.count;
    for (int64_t part = 0; is_column && part < above * pass.column_parts; ++part) {
      const int64_t at = part * layout.own_rows() + row;
      add(in.column_sums[at], kMaxima ? in.column_maxima[at] : 0, scale);
    }
    if (block < pass.first || block >= pass.first + pass.count) return;
    const int64_t runs = pass.runs(layout, block);
    for (int64_t run = 0; run < runs; ++run) {
      const int64_t at = (run * pass.count + block - pass.first) * kTile + row % kTile;
      add(in.row_sums[at], kMaxima ? in.row_maxima[at] : 0, scale);
    }
  }
};

}  // namespace simclr_bench
