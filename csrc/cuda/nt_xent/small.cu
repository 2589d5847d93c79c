// The contrastive losses on CUDA for few rows, where launches are the cost: one kernel per
// direction. Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md beside this file.
//
//   in    z0, z1 [B, D] in float32, float16 or bfloat16; grad [N] float32
//   out   loss [N] float32, statistics [3, N] float64; gradients in the dtype of the rows, and of
//         the temperature in float64
//
// Not stored: packed rows, any N x N matrix. Each block packs all rows that it multiplies.
//
// Parallelization: a block owns 16 rows i; its warps take 32 rows j each at a time. In the backward
// they leave those rows and their weights in shared memory, where all warps read them: each makes
// some columns of the gradient, for all rows i. Where these blocks are few, several share the rows
// j. No block waits for another: the last one to finish adds up what they have, in a fixed order.

#include "small_gradients.cuh"
#include "small_losses.cuh"

namespace simclr_bench {
namespace {

constexpr int kFewestGroups = 3;        // at a time; fewer warps would be slow
constexpr int64_t kStaticBytes = 8192;  // more than either kernel has
constexpr int64_t kWantedBlocks = 128;  // about what a large device runs at once

template <typename element_t>
Views<element_t> views_of(const SimclrBenchContrast& problem, const void* z0, const void* z1) {
  const auto bits = reinterpret_cast<uintptr_t>(z0) | reinterpret_cast<uintptr_t>(z1) |
                    static_cast<uintptr_t>(problem.dim * static_cast<int64_t>(sizeof(element_t)));
  return {static_cast<const element_t*>(z0),
          static_cast<const element_t*>(z1),
          static_cast<int>(problem.pairs),
          static_cast<int>(problem.dim),
          static_cast<int>(ceil_div(problem.dim, kSlice)),
          problem.normalize,
          problem.objective == kSimclrBenchInfoNCE,
          bits % 16 == 0};
}

// As many groups of rows j at a time as a block has warps and shared memory for.
template <typename Kernel>
int groups_of(const SimclrBenchContrast& problem) {
  const auto slices = static_cast<int>(ceil_div(problem.dim, kSlice));
  int groups = kWarps;
  while (groups > 0 && Kernel::bytes(slices, groups) + kStaticBytes > problem.shared_bytes)
    --groups;
  return groups;
}

// Blocks of 16 rows i each, and among how many the rows j of each are split: as many as a device
// has room for and can give something to do for each warp. One rule for all devices: the order of a
// sum does not depend on them.
dim3 grid_of(const SimclrBenchContrast& problem) {
  const int64_t blocks = ceil_div(2 * problem.pairs, kOwn);
  const int64_t wanted = kWantedBlocks / blocks;
  const int64_t most = ceil_div(2 * problem.pairs, kGroup) / kWarps;
  const int64_t splits = wanted < most ? wanted : most;
  return {static_cast<unsigned>(blocks), static_cast<unsigned>(splits < 1 ? 1 : splits)};
}

// Enqueues a kernel that takes these arguments, with the shared memory that `K` says.
template <typename K, typename... Parameters, typename... Arguments>
cudaError_t launch(const SimclrBenchContrast& problem, cudaStream_t stream,
                   void (*kernel)(Parameters...), Arguments... arguments) {
  const auto slices = static_cast<int>(ceil_div(problem.dim, kSlice));
  const auto bytes = static_cast<int>(K::bytes(slices, groups_of<K>(problem)));
  return launch_with_memory(kernel, grid_of(problem), kThreads, bytes, stream, arguments...);
}

Shares take_shares(const SimclrBenchContrast& problem, bool backward, Workspace& workspace) {
  const dim3 grid = grid_of(problem);
  const int64_t blocks = int64_t{grid.x} * grid.y;
  Shares shares{};
  if (!backward && grid.y == 1) return shares;
  shares.tickets = workspace.take<unsigned>(grid.x + 1);
  if (!backward) {
    shares.row_sums = workspace.take<RowSum>(blocks * kOwn);
    return shares;
  }
  shares.moments = workspace.take<double>(blocks);
  const int64_t tiles = ceil_div(ceil_div(problem.dim, kSlice) * (kSlice / 16), kWarps);
  if (grid.y > 1) shares.gradients = workspace.take<float>(blocks * tiles * 8 * kThreads);
  return shares;
}

cudaError_t clear_tickets(const SimclrBenchContrast& problem, const Shares& shares,
                          cudaStream_t stream) {
  return cudaMemsetAsync(shares.tickets, 0, (grid_of(problem).x + 1) * sizeof(unsigned), stream);
}

}  // namespace

bool takes_small(const SimclrBenchContrast& problem) {
  if (2 * problem.pairs > problem.small_rows || problem.other_pairs || problem.labels ||
      problem.dim > kMostSlices * kSlice) {
    return false;
  }
  return with_numbers(problem, [&](auto numbers) {
    return groups_of<Gradients<decltype(numbers)>>(problem) >= kFewestGroups;
  });
}

int64_t small_bytes(const SimclrBenchContrast& problem, bool backward) {
  Workspace workspace(nullptr);
  take_shares(problem, backward, workspace);
  return workspace.bytes();
}

cudaError_t small_forward(const SimclrBenchContrast& problem, const void* z0, const void* z1,
                          void* workspace, float* loss, double* statistics, cudaStream_t stream) {
  Workspace memory(workspace);
  const Shares shares = take_shares(problem, /*backward=*/false, memory);
  cudaError_t error = shares.tickets ? clear_tickets(problem, shares, stream) : cudaSuccess;
  if (error != cudaSuccess) return error;
  error = cudaErrorInvalidValue;
  with_elements(problem, [&](auto numbers, auto element) {
    using Numbers = decltype(numbers);
    using element_t = decltype(element);
    using L = Losses<Numbers>;
    error = launch<L>(problem, stream, small_losses<Numbers, element_t>, contrast_of(problem, {}),
                      views_of<element_t>(problem, z0, z1), groups_of<L>(problem),
                      problem.objective, takes_maxima(problem), shares, loss, statistics);
  });
  return error;
}

cudaError_t small_backward(const SimclrBenchContrast& problem, const float* grad, const void* z0,
                           const void* z1, const double* statistics, void* workspace, void* grad_z0,
                           void* grad_z1, double* grad_temperature, cudaStream_t stream) {
  Workspace memory(workspace);
  const Shares shares = take_shares(problem, /*backward=*/true, memory);
  cudaError_t error = cudaSuccess;
  if (grad_temperature || shares.gradients) error = clear_tickets(problem, shares, stream);
  if (error != cudaSuccess) return error;
  error = cudaErrorInvalidValue;
  with_elements(problem, [&](auto numbers, auto element) {
    using Numbers = decltype(numbers);
    using element_t = decltype(element);
    using G = Gradients<Numbers>;
    error = launch<G>(problem, stream, small_gradients<Numbers, element_t>,
                      contrast_of(problem, {}), views_of<element_t>(problem, z0, z1),
                      groups_of<G>(problem), problem.objective == kSimclrBenchDecoupled, grad,
                      statistics, static_cast<element_t*>(grad_z0),
                      static_cast<element_t*>(grad_z1), shares, grad_temperature);
  });
  return error;
}

}  // namespace simclr_bench
