// Packs the rows of the contrastive losses for the tensor cores, padded with zeros:
// length.cuh says how. And norms and similarities of positives, from sums in double.
//
// One warp per pair of rows, or per row that has a label.

#include "length.cuh"

namespace simclr_bench {
namespace {

constexpr int kWarps = kThreads / 32;

template <typename element_t>
__device__ float largest_of(const element_t* z, int64_t dim) {
  float largest = 0;
  for (int64_t d = threadIdx.x % 32; d < dim; d += 32)
    largest = fmaxf(largest, fabsf(to_float(z[d])));
  return warp_reduce(largest, [](float a, float b) { return fmaxf(a, b); });
}

// `row` is the padded index; z is null for a row that does not exist.
template <typename Numbers, typename element_t>
__device__ void pack_row(const Layout& layout, const element_t* z, const Length& length,
                         int64_t row, uint16_t* packed) {
  const int64_t matrix = layout.rows() * layout.padded_dim;
  for (int d = static_cast<int>(threadIdx.x) % 32 * 2; d < layout.padded_dim; d += 64) {
    const float low = z && d < layout.dim ? to_float(z[d]) * length.power : 0;
    const float high = z && d + 1 < layout.dim ? to_float(z[d + 1]) * length.power : 0;
    uint32_t parts[Numbers::matrices];
    take_parts<Numbers>(length, low, high, parts);
    uint16_t* to = packed + layout.offset(row, d);
#pragma unroll
    for (int m = 0; m < Numbers::matrices; ++m)
      *reinterpret_cast<uint32_t*>(to + m * matrix) = parts[m];
  }
}

template <typename Numbers, typename element_t>
__global__ void __launch_bounds__(kThreads)
    pack(Layout layout, const element_t* z0, const element_t* z1, const element_t* others,
         bool normalize, PackedRows out, double* similarities) {
  int64_t b = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  const int64_t own = layout.view_blocks * kTile;
  int64_t row = b;
  int64_t view_rows = layout.views == 2 ? own : 0;  // a single view is its own second
  int64_t pairs = layout.pairs;
  if (b >= own) {  // of another process
    b -= own;
    row = 2 * own + b;
    view_rows = layout.other_view_blocks * kTile;
    pairs = layout.other_pairs;
    z0 = others;
    z1 = others + pairs * layout.dim;
  }
  const bool exists = b < pairs;
  z0 = exists ? z0 + b * layout.dim : nullptr;
  z1 = exists ? (layout.views == 2 ? z1 + b * layout.dim : z0) : nullptr;
  Length length0{1, 1, 0, 0, 1};
  Length length1{1, 1, 0, 0, 1};
  if (exists) {
    const float power0 = power_of_two(largest_of(z0, layout.dim));
    const float power1 = power_of_two(largest_of(z1, layout.dim));
    double squares0 = 0;
    double squares1 = 0;
    double products = 0;
    for (int64_t d = threadIdx.x % 32; d < layout.dim; d += 32) {
      const double x = to_float(z0[d]) * power0;
      const double y = to_float(z1[d]) * power1;
      squares0 += x * x;
      squares1 += y * y;
      products += x * y;
    }
    length0 = length_of<Numbers>(warp_sum(squares0), power0, normalize);
    length1 = length_of<Numbers>(warp_sum(squares1), power1, normalize);
    products = warp_sum(products) * length0.factor() * length1.factor();
    if (similarities && threadIdx.x % 32 == 0 && row < own) {
      similarities[b] = products;
      similarities[pairs + b] = products;
    }
  }
  pack_row<Numbers>(layout, z0, length0, row, out.packed);
  pack_row<Numbers>(layout, z1, length1, row + view_rows, out.packed);
  if (threadIdx.x % 32 != 0) return;
  out.scales[row] = length0.scale;
  out.scales[row + view_rows] = length1.scale;
  out.norms[row] = length0.norm;
  out.norms[row + view_rows] = length1.norm;
}

template <typename Numbers, typename element_t>
void launch_pack(const SimclrBenchContrast& problem, const void* z0, const void* z1,
                 const void* others, const PackedRows& rows, double* similarities,
                 cudaStream_t stream) {
  const Layout layout = layout_of(problem);
  const auto blocks =
      static_cast<unsigned>((layout.view_blocks + layout.other_view_blocks) * kTile / kWarps);
  pack<Numbers><<<blocks, kThreads, 0, stream>>>(
      layout, static_cast<const element_t*>(z0), static_cast<const element_t*>(z1),
      static_cast<const element_t*>(others), problem.normalize, rows, similarities);
}

}  // namespace

PackedRows take_packed_rows(const SimclrBenchContrast& problem, Workspace& workspace) {
  const Layout layout = layout_of(problem);
  const int64_t matrices =
      with_numbers(problem, [](auto numbers) { return int64_t{decltype(numbers)::matrices}; });
  return {workspace.take<uint16_t>(matrices * layout.rows() * layout.padded_dim),
          workspace.take<float>(layout.rows()), workspace.take<float>(layout.rows())};
}

Contrast contrast_of(const SimclrBenchContrast& problem, const PackedRows& rows) {
  return {layout_of(problem), rows.packed, rows.scales, problem.learned_temperature,
          1 / problem.temperature};
}

cudaError_t pack_rows(const SimclrBenchContrast& problem, const void* z0, const void* z1,
                      const void* others, const PackedRows& rows, double* similarities,
                      cudaStream_t stream) {
  with_elements(problem, [&](auto numbers, auto element) {
    launch_pack<decltype(numbers), decltype(element)>(problem, z0, z1, others, rows, similarities,
                                                      stream);
  });
  return cudaGetLastError();
}

}  // namespace simclr_bench
