// The contrastive losses on CUDA: sums over the negatives of each row, and the losses made of them.
// Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md beside this file.
//
//   in    rows as pack_rows leaves them
//   out   loss [N] float32; statistics [3, N] float64: m_i, log n_i with m_i·k taken out of it,
//   s_ip
//
// Not stored: any N x N matrix. S is symmetric: only tiles on and above the diagonal are computed,
// each of which gives sums of its rows and, if above, of its columns.
//
// Parallelization: add_tiles writes partial sums to a workspace, from where they are added up in a
// fixed order: no atomics, results are bitwise repeatable. To bound the workspace there are passes,
// each over the tiles of some row blocks.

#include "labels.cuh"
#include "sums.cuh"

namespace simclr_bench {
namespace {

// Adds the sums of a pass to those of the passes before, which statistics hold; with the last one,
// makes losses of them. One thread per row.
template <bool kMaxima>
__global__ void __launch_bounds__(kThreads, 4)
    add_partials(Contrast c, Pass pass, Partials in, SimclrBenchObjective objective, bool is_first,
                 bool is_last, float* loss, double* statistics) {
  const Layout& layout = c.layout;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= layout.own_rows()) return;
  const int64_t i = layout.index_of(row);
  if (i < 0) return;
  const int64_t n = layout.count_own();
  const float scale = c.exponent_scale();
  RunningSum<kMaxima> running;
  if (!is_first) running = {static_cast<float>(statistics[i]), statistics[n + i]};
  running.add(layout, pass, in, row, scale);
  const auto [top, sum] = running;
  statistics[i] = top;
  statistics[n + i] = sum;
  if (!is_last) return;
  const double log_sum = log(sum);
  statistics[n + i] = log_sum;
  loss[i] = loss_of(objective, (top - statistics[2 * n + i]) * c.k() + log_sum);
}

struct Plan {
  bool maxima;
  int64_t row_blocks;
  Pass pass;  // the first one, and the largest
};

Plan plan_of(const SimclrBenchContrast& problem) {
  const Layout layout = layout_of(problem);
  const bool towers = problem.objective == kSimclrBenchInfoNCE;
  const bool maxima = takes_maxima(problem);
  const int64_t row_blocks = towers ? layout.view_blocks : layout.own_blocks();
  Pass pass{towers, 0, row_blocks, 1, problem.hopper ? sm90::kColumnParts : 1};
  const int64_t columns = pass.end_column(layout) - pass.first_column(layout, 0);
  const int64_t partials = (columns + pass.column_parts * layout.own_blocks()) * kTile;
  const int64_t per_block = partials * static_cast<int64_t>(sizeof(float)) * (maxima ? 2 : 1);
  const int64_t fit = problem.workspace_bytes / per_block;
  pass.count = fit < 1 ? 1 : fit < row_blocks ? fit : row_blocks;
  if (problem.hopper) pass.run = sm90::run_of(problem, pass.count * columns / (towers ? 1 : 2));
  return {maxima, row_blocks, pass};
}

Partials take_partials(const Layout& layout, const Plan& plan, Workspace& workspace) {
  const Pass& pass = plan.pass;
  const auto take_rows = [&] {
    return workspace.take<float>(pass.runs(layout, 0) * pass.count * kTile);
  };
  const auto take_columns = [&] {
    return workspace.take<float>(pass.count * pass.column_parts * layout.own_rows());
  };
  Partials partials{take_rows(), take_columns(), nullptr, nullptr};
  if (plan.maxima) {
    partials.row_maxima = take_rows();
    partials.column_maxima = take_columns();
  }
  return partials;
}

template <bool kMaxima>
cudaError_t run(const SimclrBenchContrast& problem, const Contrast& c, const Plan& plan,
                const Partials& partials, float* loss, double* statistics, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(ceil_div(c.layout.own_rows(), kThreads));
  Pass pass = plan.pass;
  for (; pass.first < plan.row_blocks; pass.first += pass.count) {
    const int64_t left = plan.row_blocks - pass.first;
    const bool is_last = left <= pass.count;
    if (is_last) pass.count = left;
    const auto add = problem.hopper ? sm90::add_tiles : add_tiles;
    if (const cudaError_t error = add(problem, c, pass, partials, stream)) return error;
    add_partials<kMaxima><<<blocks, kThreads, 0, stream>>>(
        c, pass, partials, problem.objective, pass.first == 0, is_last, loss, statistics);
    if (const cudaError_t error = cudaGetLastError()) return error;
  }
  return cudaSuccess;
}

}  // namespace

int64_t forward_bytes(const SimclrBenchContrast& problem) {
  if (problem.labels) return labelled_forward_bytes(problem);
  Workspace workspace(nullptr);
  take_packed_rows(problem, workspace);
  take_partials(layout_of(problem), plan_of(problem), workspace);
  return workspace.bytes();
}

}  // namespace simclr_bench

using namespace simclr_bench;

extern "C" cudaError_t simclr_bench_nt_xent_forward(const SimclrBenchContrast* problem,
                                                    const void* z0, const void* z1,
                                                    const void* others, void* workspace,
                                                    float* loss, double* statistics,
                                                    cudaStream_t stream) {
  if (problem->labels) return labelled_forward(*problem, z0, workspace, loss, statistics, stream);
  if (takes_small(*problem))
    return small_forward(*problem, z0, z1, workspace, loss, statistics, stream);
  Workspace memory(workspace);
  const PackedRows rows = take_packed_rows(*problem, memory);
  const Plan plan = plan_of(*problem);
  const Contrast c = contrast_of(*problem, rows);
  const Partials partials = take_partials(c.layout, plan, memory);
  double* similarities = statistics + 4 * problem->pairs;
  if (const cudaError_t error = pack_rows(*problem, z0, z1, others, rows, similarities, stream))
    return error;
  const auto run_passes = plan.maxima ? run<true> : run<false>;
  return run_passes(*problem, c, plan, partials, loss, statistics, stream);
}
