// The supervised contrastive loss on CUDA: sums over each row's negatives and over its positives,
// and the losses made of them. Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md
// beside this file.
//
//   in    rows as pack_rows leaves them, labels [N]
//   out   loss [N] float32; statistics [6, N] float64
//
// Not stored: any N x N matrix.
//
// Parallelization: as of tiles.cu, a block per 128 x 128 tile on or above the diagonal.
// Each writes four sums of its rows and of its columns, which are added up in a fixed order.
// mma.sync on every device: labels are no headline.

#include "labels.cuh"
#include "tiles.cuh"

namespace simclr_bench {
namespace {

struct LabelPartials {
  Partials negatives, positives;  // exponentials, with maxima
  Partials similarities, counts;  // of positives
};

template <typename Numbers>
__global__ void __launch_bounds__(kThreads, 1)
    add_labelled_tiles(Contrast c, const int64_t* labels, Pass pass, LabelPartials out) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ TileLabels tile_labels;
  const Layout& layout = c.layout;
  Tile tile;
  if (!find_tile(pass, layout, blockIdx.x, tile)) return;
  tile_labels.load(layout, labels, tile.row_block, tile.column_block);
  Products<Numbers, 2> products;
  TileProducts<Numbers>::add(c, tile.row_block, tile.column_block, memory, products);

  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = TileProducts<Numbers>::first_row() + lane / 4;
  const int column = TileProducts<Numbers>::first_column() + 2 * (lane % 4);
  const float scale = c.exponent_scale();
  const Scales<2, 8> scales(c, tile.row_block * kTile + row, tile.column_block * kTile + column, 1);
  const Negatives pairs(layout, tile.row_block, tile.column_block);
  const auto similarities = [&](bool same) {
    return Similarities<2, 8>(scales, LabelPairs{pairs, tile_labels, same}, row, column,
                              [&](int m, int n, int r) { return products.sum(m, n, r); });
  };
  const auto write = [&](const Similarities<2, 8>& of, auto maxima, const Partials& to) {
    __syncthreads();  // what was written last has been read
    write_sums<decltype(maxima)::value, Numbers>(of, scale, layout, pass, tile, memory, to);
  };
  write(similarities(false), std::true_type(), out.negatives);
  Similarities<2, 8> positives = similarities(true);
  write(positives, std::true_type(), out.positives);
  positives.replace([](float s) { return s == -INFINITY ? 0 : s; });
  write(positives, std::false_type(), out.similarities);
  positives = similarities(true);
  positives.replace([](float s) { return s == -INFINITY ? 0.0f : 1.0f; });
  write(positives, std::false_type(), out.counts);
}

// Adds the sums of a pass to those of the passes before, which statistics hold; with the last one,
// makes losses of them. One thread per row.
__global__ void __launch_bounds__(kThreads)
    add_labelled_partials(Contrast c, Pass pass, LabelPartials in, bool is_first, bool is_last,
                          float* loss, double* statistics) {
  const Layout& layout = c.layout;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= layout.own_rows()) return;
  const int64_t i = layout.index_of(row);
  if (i < 0) return;
  const float scale = c.exponent_scale();
  const auto at = [&](int statistic) -> double& {
    return statistics[statistic * layout.count_own() + i];
  };
  RunningSum<true> negatives, positives;
  RunningSum<false> similarity, count;
  if (!is_first) {
    negatives = {static_cast<float>(at(kNegativeMaximum)), at(kNegativeLog)};
    positives = {static_cast<float>(at(kPositiveMaximum)), at(kPositiveLog)};
    similarity = {0, at(kSimilarity)};
    count = {0, at(kPositives)};
  }
  negatives.add(layout, pass, in.negatives, row, scale);
  positives.add(layout, pass, in.positives, row, scale);
  similarity.add(layout, pass, in.similarities, row, scale);
  count.add(layout, pass, in.counts, row, scale);
  at(kNegativeMaximum) = negatives.top;
  at(kPositiveMaximum) = positives.top;
  at(kPositives) = count.sum;
  at(kNegativeLog) = is_last ? log(negatives.sum) : negatives.sum;
  at(kPositiveLog) = is_last ? log(positives.sum) : positives.sum;
  at(kSimilarity) = is_last && count.sum > 0 ? similarity.sum / count.sum : similarity.sum;
  if (!is_last) return;
  if (count.sum == 0) {
    loss[i] = 0;
    return;
  }
  const double k = c.k();
  const double spread = (positives.top - at(kSimilarity)) * k + at(kPositiveLog);
  // -inf without negatives: then it adds nothing.
  const double gap = (negatives.top - positives.top) * k + at(kNegativeLog) - at(kPositiveLog);
  loss[i] = static_cast<float>(spread + log1p_exp(gap));
}

struct Plan {
  int64_t row_blocks;
  Pass pass;  // the first one, and the largest
};

Plan plan_of(const SimclrBenchContrast& problem) {
  const Layout layout = layout_of(problem);
  const int64_t row_blocks = layout.own_blocks();
  constexpr int64_t kArrays = 6;  // four sums, two of them with maxima
  const int64_t each = 2 * row_blocks * kTile * static_cast<int64_t>(sizeof(float)) * kArrays;
  const int64_t fit = problem.workspace_bytes / each;
  return {row_blocks, {false, 0, fit < 1 ? 1 : fit < row_blocks ? fit : row_blocks, 1, 1}};
}

LabelPartials take_partials(const Layout& layout, const Pass& pass, Workspace& workspace) {
  const auto take = [&](bool maxima) {
    const auto take_rows = [&] { return workspace.take<float>(pass.count * layout.own_rows()); };
    return maxima ? Partials{take_rows(), take_rows(), take_rows(), take_rows()}
                  : Partials{take_rows(), take_rows(), nullptr, nullptr};
  };
  return {take(true), take(true), take(false), take(false)};
}

template <typename Numbers>
cudaError_t launch_tiles(const Contrast& c, const int64_t* labels, const Pass& pass,
                         const LabelPartials& partials, cudaStream_t stream) {
  const auto kernel = add_labelled_tiles<Numbers>;
  constexpr int kBytes = TileProducts<Numbers>::kBytes;
  static_assert(kBytes >= kSumBytes);
  const int64_t tiles = ceil_div(pass.count, 2) * tiles_of_two(pass, c.layout);
  return launch_with_memory(kernel, static_cast<unsigned>(tiles), kThreads, kBytes, stream, c,
                            labels, pass, partials);
}

}  // namespace

int64_t labelled_forward_bytes(const SimclrBenchContrast& problem) {
  Workspace workspace(nullptr);
  take_packed_rows(problem, workspace);
  take_partials(layout_of(problem), plan_of(problem).pass, workspace);
  return workspace.bytes();
}

cudaError_t labelled_forward(const SimclrBenchContrast& problem, const void* z, void* workspace,
                             float* loss, double* statistics, cudaStream_t stream) {
  Workspace memory(workspace);
  const PackedRows rows = take_packed_rows(problem, memory);
  const Contrast c = contrast_of(problem, rows);
  Plan plan = plan_of(problem);
  Pass& pass = plan.pass;
  const LabelPartials partials = take_partials(c.layout, pass, memory);
  if (const cudaError_t error = pack_rows(problem, z, nullptr, nullptr, rows, nullptr, stream))
    return error;
  const auto blocks = static_cast<unsigned>(ceil_div(c.layout.own_rows(), kThreads));
  for (; pass.first < plan.row_blocks; pass.first += pass.count) {
    const int64_t left = plan.row_blocks - pass.first;
    const bool is_last = left <= pass.count;
    if (is_last) pass.count = left;
    const cudaError_t error = with_numbers(problem, [&](auto numbers) {
      return launch_tiles<decltype(numbers)>(c, problem.labels, pass, partials, stream);
    });
    if (error != cudaSuccess) return error;
    add_labelled_partials<<<blocks, kThreads, 0, stream>>>(c, pass, partials, pass.first == 0,
                                                           is_last, loss, statistics);
    if (const cudaError_t error = cudaGetLastError()) return error;
  }
  return cudaSuccess;
}

}  // namespace simclr_bench
