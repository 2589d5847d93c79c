// What the contrastive kernels share: how rows lie in memory, and in which numbers they are
// multiplied. The formulas are in csrc/cpu/contrast.cpp, the design in README.md beside this file.
//
// Rows are kept in blocks of kTile: each view begins a block, so that positives lie on the diagonal
// of a tile, and what a view does not fill of its last block is zero. A row's index there is its
// padded index: first the views of this process, then those of others.
//
// A block is kept in slices of kSlice columns, one after the other: 128 rows of 128 bytes, which
// are 16 KiB in a piece. Piece c of 16 bytes of row r lies at place c ^ r % 8: that is how wgmma
// wants rows in shared memory (its 128-byte swizzle), so one bulk copy takes as much as there is
// room for.

#pragma once

#include <cfloat>
#include <cstdint>

#include "../block.cuh"
#include "../launchers.h"
#include "../tensor_core.cuh"

namespace simclr_bench {

constexpr float kEpsilon = 1e-12f;  // torch.nn.functional.normalize's
constexpr int kTile = 128;
constexpr int kSlice = 64;  // D is padded to a multiple

struct Layout {
  int64_t pairs, other_pairs, dim, padded_dim;
  int64_t view_blocks, other_view_blocks;
  int64_t views;  // of this process: 2, or 1 with labels

  __host__ __device__ int64_t own_blocks() const { return views * view_blocks; }
  __host__ __device__ int64_t blocks() const { return own_blocks() + 2 * other_view_blocks; }
  __host__ __device__ int64_t own_rows() const { return own_blocks() * kTile; }
  __host__ __device__ int64_t rows() const { return blocks() * kTile; }

  // N.
  __host__ __device__ int64_t count_own() const { return views * pairs; }

  // Of an element of the packed rows.
  __device__ int64_t offset(int64_t row, int d) const {
    const int64_t slice = row / kTile * (padded_dim / kSlice) + d / kSlice;
    const auto r = static_cast<int>(row % kTile);
    return slice * (kTile * kSlice) + r * kSlice + ((d % kSlice / 8 ^ r % 8) * 8 + d % 8);
  }

  // Rows of a block that exist.
  __device__ int rows_in(int64_t block) const {
    const bool own = block < own_blocks();
    const int64_t of_view = own ? view_blocks : other_view_blocks;
    if (!own) block -= own_blocks();
    if (block >= of_view) block -= of_view;  // no division: it takes longer than some products
    const int64_t left = (own ? pairs : other_pairs) - block * kTile;
    return static_cast<int>(left < kTile ? left : kTile);
  }

  // A padded index as the index in [N + M] arrays; -1 of a row that does not exist.
  __device__ int64_t index_of(int64_t row) const {
    const bool own = row < own_rows();
    const int64_t view_rows = (own ? view_blocks : other_view_blocks) * kTile;
    const int64_t count = own ? pairs : other_pairs;
    if (!own) row -= own_rows();
    const int64_t view = row / view_rows;
    row -= view * view_rows;
    return row < count ? (own ? 0 : count_own()) + view * count + row : -1;
  }

  // The padded index of the other view.
  __device__ int64_t pair_of(int64_t row) const {
    const int64_t view_rows = view_blocks * kTile;
    return row < view_rows ? row + view_rows : row - view_rows;
  }
};

// The numbers that products are made of. A factor is a sum of `parts` 16-bit numbers, each the
// nearest to what those before leave. Of all products of parts p and q, those with p + q < parts
// count. For rows that their parts hold exactly all count, in gradients: what is left out differs
// from column to column, and where all rows are nearly the same little else would be left of them.
template <bool half_, int parts_, int gradient_parts_>
struct Numbers {
  static constexpr bool half = half_;                     // similarities of float16, not bfloat16
  static constexpr int parts = parts_;                    // of rows, in similarities
  static constexpr int gradient_parts = gradient_parts_;  // of rows and weights, in gradients
  static constexpr int gradient_orders =
      half ? 2 * gradient_parts - 1 : gradient_parts;  // of p + q
  static constexpr bool holds_unit_rows = parts == 3;  // with more digits than a float
  // Packed matrices: those for similarities, and others for gradients only if they differ.
  static constexpr int matrices = half ? parts + gradient_parts : parts;
  static constexpr int first_gradient_matrix = half ? parts : 0;
};

using BFloat16Numbers = Numbers<false, 1, 1>;  // 8 bits
using Float16Numbers = Numbers<true, 1, 2>;    // 11 bits, which two bfloat16 hold exactly
using HighNumbers = Numbers<false, 2, 2>;      // 16 bits
using HighestNumbers = Numbers<false, 3, 3>;   // 24 bits

// What kernels read of a problem.
struct Contrast {
  Layout layout;
  const uint16_t* packed;  // [matrices, blocks, slices, kTile, kSlice]: z_i times a power of two
  const float* scales;     // [rows]: u_i = packed_i·scale_i
  const double* learned_temperature;
  double inverse_temperature;

  __device__ double k() const {
    return learned_temperature ? 1 / *learned_temperature : inverse_temperature;
  }
  // Turns similarities into exponents of 2.
  __device__ float exponent_scale() const {
    const auto scale = static_cast<float>(k() * M_LOG2E);
    return scale != 0 ? scale : FLT_MIN;  // 0 times -inf would be NaN
  }
  // Rows from `row` on, a multiple of 8, of one slice.
  __device__ const uint16_t* slice(int matrix, int64_t row, int slice) const {
    return packed + layout.offset(row + matrix * layout.rows(), slice * kSlice);
  }
};

// A row's largest similarity is taken out of its exponents unless these lie within ±64: then sums
// of 2^26 of them, and their inverses, are far from the ends of float32.
constexpr double kLargestExponent = 64;

// What is taken out of exponents: nothing where nothing counts, for (-inf) - (-inf) is NaN.
__device__ inline float finite(float maximum) { return maximum == -INFINITY ? 0 : maximum; }

// log(1 + exp(d)); exactly 0 of -inf, which d_i is without negatives.
__device__ inline double log1p_exp(double d) {
  const double larger = d > 0 ? d : d != d ? d : 0.0;
  return larger + log1p(exp(-fabs(d)));
}

// A row's loss, of d_i.
__device__ inline float loss_of(SimclrBenchObjective objective, double gap) {
  return static_cast<float>(objective == kSimclrBenchDecoupled ? gap : log1p_exp(gap));
}

inline bool takes_maxima(const SimclrBenchContrast& problem) {
  return problem.learned_temperature || !problem.normalize || problem.labels ||
         M_LOG2E / problem.temperature > kLargestExponent;
}

__host__ __device__ inline int64_t ceil_div(int64_t count, int64_t each) {
  return (count + each - 1) / each;
}

inline Layout layout_of(const SimclrBenchContrast& problem) {
  return {problem.pairs,
          problem.other_pairs,
          problem.dim,
          ceil_div(problem.dim, kSlice) * kSlice,
          ceil_div(problem.pairs, kTile),
          ceil_div(problem.other_pairs, kTile),
          problem.labels ? 1 : 2};
}

// visit(Numbers()) for the numbers of a problem.
template <typename Visit>
auto with_numbers(const SimclrBenchContrast& problem, Visit visit) {
  if (problem.element == kSimclrBenchFloat16) return visit(Float16Numbers());
  const bool single = problem.precision == kSimclrBenchMedium;
  if (problem.element == kSimclrBenchBFloat16 || single) return visit(BFloat16Numbers());
  return problem.precision == kSimclrBenchHigh ? visit(HighNumbers()) : visit(HighestNumbers());
}

// visit(Numbers(), element_t()) for the numbers and the elements of a problem.
template <typename Visit>
void with_elements(const SimclrBenchContrast& problem, Visit visit) {
  with_numbers(problem, [&](auto numbers) {
    using Numbers = decltype(numbers);
    if constexpr (Numbers::half) {
      visit(numbers, __half());
    } else if (problem.element == kSimclrBenchFloat32) {
      visit(numbers, float());
    } else if constexpr (Numbers::parts == 1) {
      visit(numbers, __nv_bfloat16());
    }
  });
}

// Hands out parts of a workspace; from null, counts them.
class Workspace {
 public:
  explicit Workspace(void* begin) : begin_(static_cast<char*>(begin)) {}

  template <typename T>
  T* take(int64_t count) {
    T* result = begin_ ? reinterpret_cast<T*>(begin_ + bytes_) : nullptr;
    bytes_ += ceil_div(count * static_cast<int64_t>(sizeof(T)), 256) * 256;
    return result;
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* begin_;
  int64_t bytes_ = 0;
};

// The packed rows and what becomes of them: at the beginning of either workspace.
struct PackedRows {
  uint16_t* packed;
  float* scales;
  float* norms;  // [rows]: 1 without normalising
};

PackedRows take_packed_rows(const SimclrBenchContrast& problem, Workspace& workspace);
Contrast contrast_of(const SimclrBenchContrast& problem, const PackedRows& rows);

// similarities [N]: of the positives; or null.
cudaError_t pack_rows(const SimclrBenchContrast& problem, const void* z0, const void* z1,
                      const void* others, const PackedRows& rows, double* similarities,
                      cudaStream_t stream);

int64_t forward_bytes(const SimclrBenchContrast& problem);

// Whether a problem is for the kernels of small.cu: one per direction. These follow.
bool takes_small(const SimclrBenchContrast& problem);
int64_t small_bytes(const SimclrBenchContrast& problem, bool backward);
cudaError_t small_forward(const SimclrBenchContrast& problem, const void* z0, const void* z1,
                          void* workspace, float* loss, double* statistics, cudaStream_t stream);
cudaError_t small_backward(const SimclrBenchContrast& problem, const float* grad, const void* z0,
                           const void* z1, const double* statistics, void* workspace, void* grad_z0,
                           void* grad_z1, double* grad_temperature, cudaStream_t stream);

}  // namespace simclr_bench
