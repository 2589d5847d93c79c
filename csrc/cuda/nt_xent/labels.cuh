// What the kernels of the supervised loss share: which pairs of a tile have one label, and what is
// known of each row. Formulas and notation: csrc/cpu/contrast.cpp.

#pragma once

#include "gradient.cuh"
#include "tile.cuh"

namespace simclr_bench {

// Rows of `statistics`, [6, N].
enum LabelStatistic : int {
  kNegativeMaximum,
  kNegativeLog,  // log n_i with the maximum taken out of it
  kSimilarity,   // the mean of positives
  kPositiveMaximum,
  kPositiveLog,  // log a_i
  kPositives,    // |P(i)|
  kLabelStatistics,
};

// The labels of a tile, in shared memory.
struct TileLabels {
  int64_t rows[kTile];
  int64_t columns[kTile];

  // By the whole block; a barrier has to follow.
  __device__ void load(const Layout& layout, const int64_t* labels, int64_t row_block,
                       int64_t column_block) {
    const int t = static_cast<int>(threadIdx.x) % kTile;
    const bool row = threadIdx.x < kTile;
    const int64_t i = layout.index_of((row ? row_block : column_block) * kTile + t);
    (row ? rows : columns)[t] = i < 0 ? 0 : labels[i];
  }
  __device__ bool same(int row, int column) const { return rows[row] == columns[column]; }
};

// Pairs of one label, or of different ones.
struct LabelPairs {
  Negatives pairs;  // that exist, but for a row with itself
  const TileLabels& labels;
  bool same;

  __device__ bool all() const { return false; }
  __device__ bool contain(int row, int column) const {
    return pairs.contain(row, column) && labels.same(row, column) == same;
  }
};

cudaError_t labelled_forward(const SimclrBenchContrast& problem, const void* z, void* workspace,
                             float* loss, double* statistics, cudaStream_t stream);
int64_t labelled_forward_bytes(const SimclrBenchContrast& problem);

// What a row's weights are made of, beside `weights` and `maxima` for rows of other labels: 0 of
// rows without a positive. A label of two rows makes them a pair, which pulls by c_i + c_j: their
// exponentials would only round that away.
struct LabelCoefficients {
  float* weights;    // [rows] (g_i - c_i) / a_i, with the maximum taken out, in units; a pair's: 0
  float* maxima;     // [rows]
  float* constants;  // [rows] g_i / |P(i)|, in units; a pair's: c_i
};

cudaError_t make_labelled_coefficients(const Contrast& c, const float* grad,
                                       const double* statistics, const Coefficients& negatives,
                                       const LabelCoefficients& positives, cudaStream_t stream);

// The weights of a pass, and moments [column tiles, rows].
cudaError_t make_labelled_weights(const SimclrBenchContrast& problem, const Contrast& c,
                                  const Coefficients& negatives, const LabelCoefficients& positives,
                                  const GradientPass& pass, uint4* weights, float* moments,
                                  cudaStream_t stream);

}  // namespace simclr_bench
