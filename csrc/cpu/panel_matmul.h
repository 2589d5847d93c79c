// A small matrix product for a block of rows against a packed matrix, in plain C++.
//
//   out [kBlockRows, M] = a [kBlockRows, K] · b [K, M]
//
// b is packed once into panels of kPanel columns, [M / kPanel][K][kPanel], so that the innermost
// loop reads consecutive memory and a 4 x kPanel tile of the result stays in registers. Every
// element of the result is a sum over k in one fixed order (partial sums of kDepth terms, then
// their sum), so that a · b and its mirror image agree to the last bit and nothing depends on the
// thread count.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace simclr_bench {

// 16 rows: a panel is read from the first-level cache four times before the next one is fetched.
constexpr int64_t kBlockRows = 16;
constexpr int64_t kTileRows = 4;

// Partial sums of 64 terms: the error of a long sum grows with K / 64 + 64 roundings, not with K.
constexpr int64_t kDepth = 64;

// 4 x 32 bytes of accumulators fill half of the 16 registers of plain x86-64.
template <typename acc_t>
constexpr int64_t kPanel = 32 / static_cast<int64_t>(sizeof(acc_t));

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <typename acc_t>
struct Panels {
  int64_t depth;               // K
  int64_t columns;             // M rounded up to whole panels; the rest is zero
  std::vector<acc_t> storage;  // [columns / kPanel][K][kPanel]
};

// Packs the matrix whose element (k, m) is source[k * stride_k + m * stride_m].
template <typename acc_t>
Panels<acc_t> pack_panels(const double* source, int64_t depth, int64_t columns, int64_t stride_k,
                          int64_t stride_m) {
  constexpr int64_t kWidth = kPanel<acc_t>;
  const int64_t n_panels = ceil_div(columns, kWidth);
  Panels<acc_t> panels{depth, n_panels * kWidth, {}};
  panels.storage.resize(n_panels * depth * kWidth);
  for (int64_t p = 0; p < n_panels; ++p) {
    const int64_t width = std::min(kWidth, columns - p * kWidth);
    for (int64_t k = 0; k < depth; ++k) {
      acc_t* row = panels.storage.data() + (p * depth + k) * kWidth;
      for (int64_t c = 0; c < width; ++c) {
        row[c] = static_cast<acc_t>(source[k * stride_k + (p * kWidth + c) * stride_m]);
      }
    }
  }
  return panels;
}

// A vector of one register's 16 bytes: element-wise arithmetic that GCC and Clang both know.
template <typename acc_t>
struct Vector {
  typedef acc_t type __attribute__((vector_size(16)));
  static constexpr int64_t kLanes = 16 / static_cast<int64_t>(sizeof(acc_t));
  static type load(const acc_t* p) {
    type v;
    std::memcpy(&v, p, sizeof(v));
    return v;
  }
};

// out tile [kTileRows, kPanel] += a [kTileRows, depth] · panel [depth, kPanel]
template <typename acc_t>
void add_tile(const acc_t* a, int64_t stride_a, const acc_t* panel, int64_t depth, acc_t* out,
              int64_t stride_out) {
  using vector_t = typename Vector<acc_t>::type;
  constexpr int64_t kLanes = Vector<acc_t>::kLanes;
  static_assert(kPanel<acc_t> == 2 * kLanes);
  vector_t left[kTileRows] = {};
  vector_t right[kTileRows] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const vector_t b_left = Vector<acc_t>::load(panel + k * kPanel<acc_t>);
    const vector_t b_right = Vector<acc_t>::load(panel + k * kPanel<acc_t> + kLanes);
    for (int64_t r = 0; r < kTileRows; ++r) {
      const acc_t scale = a[r * stride_a + k];
      left[r] += scale * b_left;
      right[r] += scale * b_right;
    }
  }
  for (int64_t r = 0; r < kTileRows; ++r) {
    for (int64_t c = 0; c < kLanes; ++c) {
      out[r * stride_out + c] += left[r][c];
      out[r * stride_out + kLanes + c] += right[r][c];
    }
  }
}

// out [kBlockRows, b.columns] = a [kBlockRows, b.depth] · b. Rows that do not exist must be present
// in `a` with any finite content.
template <typename acc_t>
void block_times_panels(const acc_t* a, int64_t stride_a, const Panels<acc_t>& b, acc_t* out) {
  std::fill(out, out + kBlockRows * b.columns, acc_t(0));
  for (int64_t column = 0; column < b.columns; column += kPanel<acc_t>) {
    const acc_t* panel = b.storage.data() + column * b.depth;
    for (int64_t k = 0; k < b.depth; k += kDepth) {
      const int64_t depth = std::min(kDepth, b.depth - k);
      for (int64_t r = 0; r < kBlockRows; r += kTileRows) {
        add_tile(a + r * stride_a + k, stride_a, panel + k * kPanel<acc_t>, depth,
                 out + r * b.columns + column, b.columns);
      }
    }
  }
}

}  // namespace simclr_bench
