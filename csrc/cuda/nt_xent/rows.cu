// The contrastive losses on CUDA: the backward, and what it does with each row before and after its
// sums. Formulas and notation: csrc/cpu/contrast.cpp.
//
//   in    grad [N + M] float32, statistics [3, N + M] float64
//   out   gradients in the dtype of the inputs, and of the temperature in float64
//
// The terms of the positives join here, in float32.

#include "labels.cuh"
#include "wide.cuh"

namespace simclr_bench {
namespace {

constexpr int kWarps = kThreads / 32;

// Blocks of threads, where rows alone are too few: about twice what a device runs at once; Hopper's
// kernels get wanted_blocks. One number for all devices: the order of a sum does not depend on
// them.
constexpr int64_t kWantedBlocks = 256;
constexpr int64_t kMostRowBlocks = 65535;  // of a grid's second axis

// One thread per row.
__global__ void __launch_bounds__(kThreads)
    make_coefficients(Contrast c, const float* grad, const double* statistics, bool decoupled,
                      Coefficients out) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const Layout& layout = c.layout;
  if (row >= layout.rows()) return;
  const int64_t i = layout.index_of(row);
  if (i < 0) {
    out.weights[row] = out.pulls[row] = out.maxima[row] = out.similarities[row] = 0;
    return;
  }
  const int64_t all = layout.count_own() + 2 * layout.other_pairs;
  const Coefficient of(statistics, all, i, grad[i], c.k(), decoupled);
  out.weights[row] = of.weight;
  out.pulls[row] = of.pull;
  out.maxima[row] = of.maximum;
  out.similarities[row] = of.similarity;
}

// Adds the positive's term and applies the chain rule through u = z / max(|z|, epsilon). One warp
// per row of the pass. moments: [N].
template <typename element_t>
__global__ void __launch_bounds__(kThreads)
    project(Contrast c, const element_t* z0, const element_t* z1, const float* norms,
            Coefficients in, GradientPass pass, GradientParts parts, bool normalize,
            element_t* grad_z0, element_t* grad_z1, float* moments) {
  const Layout& layout = c.layout;
  const int64_t local = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  const int64_t row = pass.first * kTile + local;
  const int64_t i = layout.index_of(row);
  if (i < 0) return;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const bool second = i >= layout.pairs;
  const int64_t b = second ? i - layout.pairs : i;
  const int64_t pair = layout.views == 2 ? layout.pair_of(row) : row;  // which has no pull then
  const element_t* z = (second ? z1 : z0) + b * layout.dim;
  const element_t* other = (second || layout.views == 1 ? z0 : z1) + b * layout.dim;
  element_t* out = (second ? grad_z1 : grad_z0) + b * layout.dim;
  const Projection projection(norms[row], norms[pair], in.pulls[row] + in.pulls[pair], c.k(),
                              normalize);
  const auto gradient = [&](int64_t d) {
    float sum = 0;
    for (int64_t split = 0; split < parts.splits; ++split)
      sum += parts.sums[(split * pass.rows() + local) * layout.padded_dim + d];
    return projection.gradient(sum, to_float(other[d]));
  };
  float along = 0;
  if (projection.turns) {
    for (int64_t d = lane; d < layout.dim; d += 32)
      along += gradient(d) * (to_float(z[d]) / projection.divisor);
    along = warp_sum(along);
  }
  for (int64_t d = lane; d < layout.dim; d += 32)
    out[d] = from_float<element_t>(projection.result(gradient(d), along, to_float(z[d])));
  float moment = 0;
  for (int64_t split = lane; split < parts.moment_splits; split += 32)
    moment += parts.moments[split * pass.rows() + local];
  moment = warp_sum(moment);
  if (lane == 0) moments[i] = moment;
}

// ∂L/∂τ = -k²·Σ_i moment_i. One block.
__global__ void __launch_bounds__(kThreads)
    add_moments(Contrast c, const float* moments, double* grad_temperature) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < c.layout.count_own(); i += kThreads) sum += moments[i];
  sum = block_reduce(sum, [](double a, double b) { return a + b; });
  if (threadIdx.x == 0) *grad_temperature = -c.k() * c.k() * (sum / kUnit);
}

// All of the backward's workspace but the packed rows; `pass` is the first and largest.
struct Plan {
  bool fits;  // a block of rows its block of threads: one pass, and no weights
  GradientPass pass;
  Coefficients coefficients;
  LabelCoefficients labelled;
  GradientParts parts;
  float* moments;  // [N]
  uint4* weights;  // null if it fits

  Plan(const SimclrBenchContrast& problem, Workspace& workspace)
      : fits(!problem.labels && fits_block(problem)) {
    const Layout layout = layout_of(problem);
    const bool towers = problem.objective == kSimclrBenchInfoNCE;
    const int64_t column_blocks = towers ? layout.view_blocks : layout.blocks();
    pass = {0, layout.own_blocks(), column_blocks * kTiles, towers};
    const int64_t each = weight_bytes(problem, pass);
    if (!fits) {
      const int64_t limit = pass.count < kMostRowBlocks ? pass.count : kMostRowBlocks;
      const int64_t count = problem.workspace_bytes / each;
      pass.count = count < 1 ? 1 : count < limit ? count : limit;
    }
    const int64_t blocks = fits ? pass.count : pass.count * slabs(problem);
    const int64_t splits = (problem.hopper ? problem.wanted_blocks : kWantedBlocks) / blocks;
    parts.splits = splits < 1 ? 1 : splits < column_blocks ? splits : column_blocks;
    parts.moment_splits = fits ? parts.splits : pass.column_tiles;
    parts.sums = workspace.take<float>(parts.splits * pass.rows() * layout.padded_dim);
    parts.moments = workspace.take<float>(parts.moment_splits * pass.rows());
    const auto take = [&] { return workspace.take<float>(layout.rows()); };
    coefficients = {take(), take(), take(), take()};
    if (problem.labels) labelled = {take(), take(), take()};
    moments = workspace.take<float>(layout.count_own());
    weights = fits ? nullptr : workspace.take<uint4>(each / sizeof(uint4) * pass.count);
  }
};

cudaError_t add_sums(const SimclrBenchContrast& problem, const Contrast& c, const Plan& plan,
                     const GradientPass& pass, cudaStream_t stream) {
  const GradientParts& parts = plan.parts;
  if (plan.fits) return add_gradients(problem, c, plan.coefficients, pass, parts, stream);
  const cudaError_t error =
      problem.labels
          ? make_labelled_weights(problem, c, plan.coefficients, plan.labelled, pass, plan.weights,
                                  parts.moments, stream)
          : make_weights(problem, c, plan.coefficients, pass, plan.weights, parts.moments, stream);
  return error ? error : add_slabs(problem, c, pass, plan.weights, parts, stream);
}

template <typename element_t>
cudaError_t run(const SimclrBenchContrast& problem, const Contrast& c, const Plan& plan,
                const void* z0, const void* z1, const float* norms, void* grad_z0, void* grad_z1,
                cudaStream_t stream) {
  GradientPass pass = plan.pass;
  for (; pass.first < c.layout.own_blocks(); pass.first += pass.count) {
    const int64_t left = c.layout.own_blocks() - pass.first;
    if (left < pass.count) pass.count = left;
    if (const cudaError_t error = add_sums(problem, c, plan, pass, stream)) return error;
    project<<<static_cast<unsigned>(pass.rows() / kWarps), kThreads, 0, stream>>>(
        c, static_cast<const element_t*>(z0), static_cast<const element_t*>(z1), norms,
        plan.coefficients, pass, plan.parts, problem.normalize, static_cast<element_t*>(grad_z0),
        static_cast<element_t*>(grad_z1), plan.moments);
    if (const cudaError_t error = cudaGetLastError()) return error;
  }
  return cudaSuccess;
}

}  // namespace
}  // namespace simclr_bench

using namespace simclr_bench;

extern "C" cudaError_t simclr_bench_nt_xent_workspace(const SimclrBenchContrast* problem,
                                                      int64_t* forward, int64_t* backward) {
  if (takes_small(*problem)) {
    *forward = small_bytes(*problem, /*backward=*/false);
    *backward = small_bytes(*problem, /*backward=*/true);
    return cudaSuccess;
  }
  Workspace workspace(nullptr);
  take_packed_rows(*problem, workspace);
  const Plan plan(*problem, workspace);
  *forward = forward_bytes(*problem);
  *backward = workspace.bytes();
  return cudaSuccess;
}

extern "C" cudaError_t simclr_bench_nt_xent_backward(
    const SimclrBenchContrast* problem, const float* grad, const void* z0, const void* z1,
    const void* others, const double* statistics, void* workspace, void* grad_z0, void* grad_z1,
    double* grad_temperature, cudaStream_t stream) {
  if (takes_small(*problem)) {
    return small_backward(*problem, grad, z0, z1, statistics, workspace, grad_z0, grad_z1,
                          grad_temperature, stream);
  }
  Workspace memory(workspace);
  const PackedRows rows = take_packed_rows(*problem, memory);
  const Contrast c = contrast_of(*problem, rows);
  const Plan plan(*problem, memory);
  if (const cudaError_t error = pack_rows(*problem, z0, z1, others, rows, nullptr, stream))
    return error;
  if (problem->labels) {
    if (const cudaError_t error = make_labelled_coefficients(c, grad, statistics, plan.coefficients,
                                                             plan.labelled, stream))
      return error;
  } else {
    make_coefficients<<<static_cast<unsigned>(ceil_div(c.layout.rows(), kThreads)), kThreads, 0,
                        stream>>>(c, grad, statistics, problem->objective == kSimclrBenchDecoupled,
                                  plan.coefficients);
    if (const cudaError_t error = cudaGetLastError()) return error;
  }
  const auto run_passes = problem->element == kSimclrBenchFloat16    ? run<__half>
                          : problem->element == kSimclrBenchBFloat16 ? run<__nv_bfloat16>
                                                                     : run<float>;
  if (const cudaError_t error =
          run_passes(*problem, c, plan, z0, z1, rows.norms, grad_z0, grad_z1, stream))
    return error;
  if (grad_temperature) add_moments<<<1, kThreads, 0, stream>>>(c, plan.moments, grad_temperature);
  return cudaGetLastError();
}
