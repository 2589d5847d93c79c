// The supervised contrastive loss on CUDA: coefficients of rows, and weights of pairs of rows,
// which wide.cu multiplies with rows for any number of columns. Formulas and notation:
// csrc/cpu/contrast.cpp. Design: README.md beside this file.
//
//   in    grad [N] float32, statistics [6, N] float64, labels [N], rows as pack_rows leaves them
//   out   weights G_ij of the rows i of one pass, in parts of 16 bits, as left operands; moments
//
// Parallelization: make_labelled_weights has a block per 128 x 128 tile.

#include "labels.cuh"
#include "wide.cuh"

namespace simclr_bench {
namespace {

// One thread per row.
__global__ void __launch_bounds__(kThreads)
    make_coefficients(Contrast c, const float* grad, const double* statistics,
                      Coefficients negatives, LabelCoefficients positives) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const Layout& layout = c.layout;
  if (row >= layout.rows()) return;
  const int64_t i = layout.index_of(row);
  const auto at = [&](int statistic) { return statistics[statistic * layout.count_own() + i]; };
  const bool alone = i < 0 || isinf(at(kNegativeLog));  // without a row of another label
  // Also of rows that weigh nothing: exponentials of less would not be finite.
  negatives.maxima[row] = alone ? 0.0f : static_cast<float>(at(kNegativeMaximum));
  negatives.pulls[row] = 0;  // constants pull
  const double count = i < 0 ? 0 : at(kPositives);
  if (count == 0) {
    negatives.weights[row] = negatives.similarities[row] = 0;
    positives.weights[row] = positives.maxima[row] = positives.constants[row] = 0;
    return;
  }
  const double log_sum = at(kNegativeLog);
  const double gap =
      (at(kNegativeMaximum) - at(kPositiveMaximum)) * c.k() + log_sum - at(kPositiveLog);
  const double e = exp(-fabs(gap));
  const double g = static_cast<double>(grad[i]) * kUnit;
  const double missed = g * ((gap < 0 ? e : 1.0) / (1 + e));  // c_i
  const double caught = g * ((gap < 0 ? 1.0 : e) / (1 + e));
  const bool pair = count == 1;
  negatives.weights[row] = alone ? 0.0f : static_cast<float>(missed * exp(-log_sum));
  negatives.similarities[row] = static_cast<float>(at(kSimilarity));
  positives.weights[row] = pair ? 0.0f : static_cast<float>(caught * exp(-at(kPositiveLog)));
  positives.maxima[row] = static_cast<float>(at(kPositiveMaximum));
  positives.constants[row] = static_cast<float>(pair ? missed : g / count);
}

// What one row says of a pair, at two of which a weight comes together.
struct LabelledRow {
  float scale, weight, maximum, positive_weight, positive_maximum, constant;

  __device__ LabelledRow(const Contrast& c, const Coefficients& n, const LabelCoefficients& p,
                         int64_t row)
      : scale(c.scales[row]),
        weight(n.weights[row]),
        maximum(n.maxima[row]),
        positive_weight(p.weights[row]),
        positive_maximum(p.maxima[row]),
        constant(p.constants[row]) {}

  // Its share of the derivative by s, but for the constant.
  __device__ float share(float s, bool same, float exponent_scale) const {
    const float top = same ? positive_maximum : maximum;
    return (same ? positive_weight : weight) * exp2_approx((s - top) * exponent_scale);
  }
};

// Blocks (x, y): column block, row block of the pass.
template <typename Numbers>
__global__ void __launch_bounds__(kThreads, 1)
    make_labelled_weights(Contrast c, const int64_t* labels, Coefficients negatives,
                          LabelCoefficients positives, GradientPass pass, uint4* weights,
                          float* moments) {
  using Tile = TileProducts<Numbers>;
  using Stored = StoredWeights<Numbers>;
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ TileLabels tile_labels;
  const Layout& layout = c.layout;
  const int64_t row_block = pass.first + blockIdx.y;
  const int64_t column_block = blockIdx.x;
  tile_labels.load(layout, labels, row_block, column_block);
  Products<Numbers, 2> products;
  Tile::add(c, row_block, column_block, memory, products);

  const Negatives pairs(layout, row_block, column_block);
  const float exponent_scale = c.exponent_scale();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int column = Tile::first_column() + 2 * (lane % 4);
  const int64_t column_tile = column_block * kTiles + Tile::first_column() / kColumns;
#pragma unroll 1
  for (int m = 0; m < 2; ++m) {
    const int row = Tile::first_row() + 16 * m + lane / 4;
    const int64_t padded = row_block * kTile + row;
    const LabelledRow own[2] = {{c, negatives, positives, padded},
                                {c, negatives, positives, padded + 8}};
    const float similarities[2] = {negatives.similarities[padded],
                                   negatives.similarities[padded + 8]};
    float moment[2] = {0, 0};  // Σ_j share·(s_ij - s_ip)
    uint4* to = weights + Stored::at(pass, int64_t{blockIdx.y} * kRowTiles + row / 16, column_tile);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      float both[2][4];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int n = 2 * step + i;
#pragma unroll
        for (int y = 0; y < 2; ++y) {
          const int at = column + 8 * n + y;
          const LabelledRow other(c, negatives, positives, column_block * kTile + at);
#pragma unroll
          for (int x = 0; x < 2; ++x) {
            const float product =
                m == 0 ? products.sum(0, n, 2 * x + y) : products.sum(1, n, 2 * x + y);
            const float s = product * (own[x].scale * other.scale);
            const bool same = tile_labels.same(row + 8 * x, at);
            const float mine = own[x].share(s, same, exponent_scale);
            float weight = mine + other.share(s, same, exponent_scale);
            if (same) weight -= own[x].constant + other.constant;
            const bool counts = pairs.contain(row + 8 * x, at);
            both[i][2 * x + y] = counts ? weight * other.scale : 0;
            if (counts) moment[x] += mine * (s - similarities[x]);
          }
        }
      }
      Stored::store(both[0], both[1], to + step * Stored::kParts * 32);
    }
#pragma unroll
    for (int x = 0; x < 2; ++x) {
      float whole = moment[x];
      whole += __shfl_xor_sync(0xffffffff, whole, 1);
      whole += __shfl_xor_sync(0xffffffff, whole, 2);
      const int64_t local = int64_t{blockIdx.y} * kTile + row + 8 * x;
      if (lane % 4 == 0) moments[column_tile * pass.rows() + local] = whole;
    }
  }
}

template <typename Numbers>
cudaError_t launch(const Contrast& c, const int64_t* labels, const Coefficients& negatives,
                   const LabelCoefficients& positives, const GradientPass& pass, uint4* weights,
                   float* moments, cudaStream_t stream) {
  const auto kernel = make_labelled_weights<Numbers>;
  constexpr int kBytes = TileProducts<Numbers>::kBytes;
  const dim3 grid(static_cast<unsigned>(pass.column_tiles / kTiles),
                  static_cast<unsigned>(pass.count));
  return launch_with_memory(kernel, grid, kThreads, kBytes, stream, c, labels, negatives, positives,
                            pass, weights, moments);
}

}  // namespace

cudaError_t make_labelled_coefficients(const Contrast& c, const float* grad,
                                       const double* statistics, const Coefficients& negatives,
                                       const LabelCoefficients& positives, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(ceil_div(c.layout.rows(), kThreads));
  make_coefficients<<<blocks, kThreads, 0, stream>>>(c, grad, statistics, negatives, positives);
  return cudaGetLastError();
}

cudaError_t make_labelled_weights(const SimclrBenchContrast& problem, const Contrast& c,
                                  const Coefficients& negatives, const LabelCoefficients& positives,
                                  const GradientPass& pass, uint4* weights, float* moments,
                                  cudaStream_t stream) {
  return with_numbers(problem, [&](auto numbers) {
    return launch<decltype(numbers)>(c, problem.labels, negatives, positives, pass, weights,
                                     moments, stream);
  });
}

}  // namespace simclr_bench
