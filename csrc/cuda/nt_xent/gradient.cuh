// What the kernels of the contrastive backward share: weights of pairs of rows, products of weights
// with rows, and what passes between the kernels.

#pragma once

#include "nt_xent.cuh"

namespace simclr_bench {

constexpr int kColumns = 64;  // rows j that are multiplied at a time
constexpr int kTiles = kTile / kColumns;
constexpr int kSliceBytes = kColumns * kSlice * 2;  // of one part of their next kSlice columns

// Weights are kept this much larger than they are: where all positives have nearly all the mass,
// they would be too small for a float.
constexpr int kUnitExponent = 40;
constexpr float kUnit = 1099511627776.0f;  // 2^40

// 2^x, as exact as a float can be.
__device__ inline float exp2_of(double x) {
  if (x < -1000) return 0;
  const double whole = rint(x);
  return ldexpf(exp2f(static_cast<float>(x - whole)), static_cast<int>(whole));
}

// Of one row, what follows of all.
struct Coefficient {
  float weight, pull, maximum, similarity;

  Coefficient() = default;
  // statistics: [3, all].
  __device__ Coefficient(const double* statistics, int64_t all, int64_t i, float grad, double k,
                         bool decoupled)
      : maximum(static_cast<float>(statistics[i])),
        similarity(static_cast<float>(statistics[2 * all + i])) {
    const double log_sum = statistics[all + i];
    const double gap = (statistics[i] - statistics[2 * all + i]) * k + log_sum;
    const float e = exp2_of(kUnitExponent - fabs(gap) * M_LOG2E);  // in units
    const float missed = decoupled ? kUnit : (gap < 0 ? e : kUnit) / (1 + e / kUnit);
    pull = grad * missed;
    const bool alone = isinf(log_sum);
    weight = alone ? 0 : pull * exp2_of(-log_sum * M_LOG2E);
    if (alone) maximum = 0;
  }
};

// Of each row, others' included; 0 of rows that do not exist.
struct Coefficients {
  float* weights;       // [rows] c_i / n_i, with m_i·k taken out of n_i, in units
  float* pulls;         // [rows] c_i, in units
  float* maxima;        // [rows] m_i
  float* similarities;  // [rows] s_ip
};

// The row blocks of one pass, and what they are multiplied with.
struct GradientPass {
  int64_t first, count;  // row blocks
  int64_t column_tiles;  // of kColumns rows j each: all, or those of the other tower
  bool towers;

  // In kColumns rows.
  __device__ int64_t first_column_tile(const Layout& layout, int64_t row_block) const {
    return towers && row_block < layout.view_blocks ? layout.view_blocks * kTiles : 0;
  }
  __host__ __device__ int64_t rows() const { return count * kTile; }
};

// Of the rows of one pass; without the terms of positives.
struct GradientParts {
  float* sums;     // [splits, rows, padded_dim] Σ_j G_ij·u_j, in units
  float* moments;  // [moment_splits, rows] Σ_j c_i·e_ij / n_i·(s_ij - s_ip), in units
  int64_t splits, moment_splits;
};

// One of the rows that a thread has.
struct RowState {
  float scale, weight, maximum, similarity;
  float moment;  // Σ_j e_ij·(s_ij - s_ip), which the weight is a factor of

  __device__ RowState(const Contrast& c, const Coefficients& in, int64_t row)
      : scale(c.scales[row]),
        weight(in.weights[row]),
        maximum(in.maxima[row]),
        similarity(in.similarities[row]),
        moment(0) {}
  __device__ RowState(float scale, const Coefficient& of)
      : scale(scale),
        weight(of.weight),
        maximum(of.maximum),
        similarity(of.similarity),
        moment(0) {}

  // G_ij of this row i times the scale of row j, that is: of the other row, whose weight has been
  // multiplied with it. Adds to the moment.
  template <bool kMaxima>
  __device__ float weight_of(float s, float other_scale, float other_weight, float other_maximum,
                             float exponent_scale) {
    const float mine = weight * other_scale;
    if constexpr (kMaxima) {
      const float e = exp2_approx((s - maximum) * exponent_scale);
      moment += e * (s - similarity);
      return mine * e + other_weight * exp2_approx((s - other_maximum) * exponent_scale);
    } else {
      const float e = exp2_approx(s * exponent_scale);
      moment += e * (s - similarity);
      return (mine + other_weight) * e;
    }
  }

  // The moment of all lanes that have a part of the row.
  __device__ float whole_moment() const {
    const float two = moment + __shfl_xor_sync(0xffffffff, moment, 1);
    return weight * (two + __shfl_xor_sync(0xffffffff, two, 2));
  }
};

// What weights take from two columns side by side.
struct ColumnPair {
  float2 scales, weights, maxima;
};

// The four columns of a pair of rows that a thread has in a 16 x 8 product: two of each row. Their
// weights times the scales of the columns: what rows are multiplied with as they are packed.
template <bool kMaxima>
__device__ void weights_of(const ColumnPair& columns, const float (&similarities)[4],
                           const bool (&counts)[4], float exponent_scale, RowState (&rows)[2],
                           float (&weights)[4]) {
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    RowState& row = rows[r / 2];
    const float scale = r % 2 ? columns.scales.y : columns.scales.x;
    const float weight = scale * (r % 2 ? columns.weights.y : columns.weights.x);
    const float maximum = r % 2 ? columns.maxima.y : columns.maxima.x;
    weights[r] = 0;
    if (!counts[r]) continue;
    weights[r] = row.template weight_of<kMaxima>(similarities[r] * (row.scale * scale), scale,
                                                 weight, maximum, exponent_scale);
  }
}

template <bool kMaxima>
__device__ void weights_of(const Contrast& c, const Coefficients& in, int64_t column,
                           const float (&similarities)[4], const bool (&counts)[4],
                           float exponent_scale, RowState (&rows)[2], float (&weights)[4]) {
  const ColumnPair columns{*reinterpret_cast<const float2*>(c.scales + column),
                           *reinterpret_cast<const float2*>(in.weights + column),
                           *reinterpret_cast<const float2*>(in.maxima + column)};
  weights_of<kMaxima>(columns, similarities, counts, exponent_scale, rows, weights);
}

// The parts of a 16 x 16 of weights as left operands: registers of two products side by side hold,
// as they are, two columns side by side.
template <typename Numbers>
__device__ void split_weights(const float (&one)[4], const float (&next)[4],
                              uint32_t (&x)[Numbers::gradient_parts][4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float low = (i < 2 ? one : next)[2 * (i % 2)];
    float high = (i < 2 ? one : next)[2 * (i % 2) + 1];
#pragma unroll
    for (int p = 0; p < Numbers::gradient_parts; ++p) x[p][i] = take_bfloat16(low, high);
  }
}

// The block fetches kColumns rows j from `column` on, one slice of them.
template <typename Numbers>
__device__ void fetch_slice(const Contrast& c, uint32_t to, int64_t column, int slice) {
#pragma unroll
  for (int q = 0; q < Numbers::gradient_parts; ++q) {
    const uint16_t* rows = c.slice(Numbers::first_gradient_matrix + q, column, slice);
#pragma unroll
    for (int i = 0; i < kSlice / kDepth; ++i) {
      fetch_tile<kColumns, kThreads>(to + q * kSliceBytes + i * kColumns * kRowBytes, rows, i);
    }
  }
}

// The products of 16 x 16 weights with 16 rows j, 8 and 8 of their columns.
template <typename Numbers>
__device__ void multiply_parts(float (&one)[4], float (&next)[4],
                               const uint32_t (&x)[Numbers::gradient_parts][4],
                               const uint32_t (&y)[Numbers::gradient_parts][4]) {
  constexpr int kParts = Numbers::gradient_parts;
#pragma unroll
  for (int order = Numbers::gradient_orders - 1; order >= 0; --order) {
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      if (p > order || order - p >= kParts) continue;
      const uint32_t(&b)[4] = y[order - p];
      multiply_add<false>(one, x[p], b[0], b[1]);
      multiply_add<false>(next, x[p], b[2], b[3]);
    }
  }
}

// sums [16, kSlice] += weights [16, 16] · rows j [16, kSlice], of one warp. `slice` is where this
// lane's rows begin.
template <typename Numbers>
__device__ void add_products(float (&sums)[8][4], const uint32_t (&x)[Numbers::gradient_parts][4],
                             uint32_t slice) {
  constexpr int kParts = Numbers::gradient_parts;
#pragma unroll
  for (int n = 0; n < 8; n += 2) {
    const uint32_t tile = slice + n / 4 * (kColumns * kRowBytes);
    uint32_t y[kParts][4];
#pragma unroll
    for (int q = 0; q < kParts; ++q) {
      const uint32_t part = tile + q * kSliceBytes;
      load_transposed(y[q], n % 4 ? two_pieces_on(part) : part);
    }
    multiply_parts<Numbers>(sums[n], sums[n + 1], x, y);
  }
}

// From Σ_j G_ij·u_j, in units, to the gradient of z_i: the positive's term, and the chain rule
// through u = z / max(|z|, epsilon).
struct Projection {
  float divisor, other_divisor;  // of row i, and of its positive
  float pull, factor;
  bool turns;  // z only: its length does not matter

  __device__ Projection(float norm, float other_norm, float pull, double k, bool normalize)
      : divisor(norm < kEpsilon ? kEpsilon : norm),
        other_divisor(other_norm < kEpsilon ? kEpsilon : other_norm),
        pull(pull),
        factor(static_cast<float>(k / kUnit)),
        turns(normalize && !(norm < kEpsilon)) {}

  // Of u_i, and the same after the part along u_i.
  __device__ float gradient(float sum, float other) const {
    return factor * (sum - pull * (other / other_divisor));
  }
  __device__ float result(float gradient, float along, float z) const {
    return (gradient - along * (z / divisor)) / divisor;
  }
};

// Writes a warp's sums of 16 rows: `to` is where this lane's first row and column are.
__device__ inline void write_slice(const float (&sums)[8][4], float* to, int64_t stride) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int n = 0; n < 8; ++n) {
      *reinterpret_cast<float2*>(to + half * 8 * stride + 8 * n) = {sums[n][2 * half],
                                                                    sums[n][2 * half + 1]};
    }
  }
}

// Whether a block has registers and shared memory for all columns of the gradient of its rows.
bool fits_block(const SimclrBenchContrast& problem);

// fits_block: the sums and moments of a pass, moment_splits = splits.
cudaError_t add_gradients(const SimclrBenchContrast& problem, const Contrast& c,
                          const Coefficients& in, const GradientPass& pass,
                          const GradientParts& out, cudaStream_t stream);

// The same for devices that run code for sm_90a.
namespace sm90 {

bool fits_block(const SimclrBenchContrast& problem);
cudaError_t add_gradients(const SimclrBenchContrast& problem, const Contrast& c,
                          const Coefficients& in, const GradientPass& pass,
                          const GradientParts& out, cudaStream_t stream);

}  // namespace sm90
}  // namespace simclr_bench
