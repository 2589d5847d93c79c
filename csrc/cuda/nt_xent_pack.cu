// Rows as the tensor cores take them: times a power of two that keeps products of any two within
// float32, split into 16-bit numbers, padded with zeros. What is missing to length 1 is a factor
// for their products; only where three numbers hold more digits than a float has is it in them,
// since that factor would be rounded. And norms and similarities of positives, from sums in double.
//
// One warp per pair of rows.

#include <type_traits>

#include "nt_xent.cuh"

namespace simclr_bench {
namespace {

constexpr int kWarps = kThreads / 32;

// 2^-e for the largest element's exponent e. Neither it nor its inverse is subnormal.
template <typename element_t>
__device__ float power_of_two(const element_t* z, int64_t dim) {
  float largest = 0;
  for (int64_t d = threadIdx.x % 32; d < dim; d += 32)
    largest = fmaxf(largest, fabsf(to_float(z[d])));
  largest = warp_reduce(largest, [](float a, float b) { return fmaxf(a, b); });
  if (!(largest > 0) || isinf(largest)) return 1;
  const int exponent = ilogbf(largest);
  return ldexpf(1, -(exponent < -126 ? -126 : exponent > 126 ? 126 : exponent));
}

struct Length {
  double factor;  // u_i = z_i·factor·scale
  double scale;
  float norm;
};

template <typename Numbers>
__device__ Length length_of(double squares, float power, bool normalize) {
  if (!normalize) return {power, 1.0 / power, 1};
  const double packed_norm = sqrt(squares);
  const double norm = packed_norm / power;
  const double inverse = 1 / (norm < kEpsilon ? power * double{kEpsilon} : packed_norm);
  if (Numbers::holds_unit_rows) return {power * inverse, 1, static_cast<float>(norm)};
  // Rounded here, so that a positive's similarity is what its row's others are multiplied with.
  return {power, static_cast<float>(inverse), static_cast<float>(norm)};
}

// `row` is the padded index; z is null for a row that does not exist.
template <typename Numbers, typename element_t>
__device__ void pack_row(const Layout& layout, const element_t* z, double factor, int64_t row,
                         uint16_t* packed) {
  using real_t = std::conditional_t<Numbers::holds_unit_rows, double, float>;
  const auto power = static_cast<real_t>(factor);
  const int64_t matrix = layout.rows() * layout.padded_dim;
  for (int d = static_cast<int>(threadIdx.x) % 32 * 2; d < layout.padded_dim; d += 64) {
    real_t low = z && d < layout.dim ? to_float(z[d]) * power : 0;
    real_t high = z && d + 1 < layout.dim ? to_float(z[d + 1]) * power : 0;
    uint16_t* to = packed + layout.offset(row, d);
    if constexpr (Numbers::half) {
      *reinterpret_cast<__half2*>(to) = __floats2half2_rn(low, high);
      to += matrix;
    }
    constexpr int kParts = Numbers::half ? Numbers::gradient_parts : Numbers::parts;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      *reinterpret_cast<uint32_t*>(to) = take_bfloat16(low, high);
      to += matrix;
    }
  }
}

template <typename Numbers, typename element_t>
__global__ void __launch_bounds__(kThreads)
    pack(Layout layout, const element_t* z0, const element_t* z1, const element_t* others,
         bool normalize, PackedRows out, double* similarities) {
  int64_t b = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  const int64_t own = layout.view_blocks * kTile;
  int64_t row = b;
  int64_t view_rows = own;
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
  z1 = exists ? z1 + b * layout.dim : nullptr;
  Length length0{1, 0, 1};
  Length length1{1, 0, 1};
  if (exists) {
    const float power0 = power_of_two(z0, layout.dim);
    const float power1 = power_of_two(z1, layout.dim);
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
    products = warp_sum(products) * (length0.factor / power0 * length0.scale) *
               (length1.factor / power1 * length1.scale);
    if (similarities && threadIdx.x % 32 == 0 && row < own) {
      similarities[b] = products;
      similarities[pairs + b] = products;
    }
  }
  pack_row<Numbers>(layout, z0, length0.factor, row, out.packed);
  pack_row<Numbers>(layout, z1, length1.factor, row + view_rows, out.packed);
  if (threadIdx.x % 32 != 0) return;
  out.scales[row] = static_cast<float>(length0.scale);
  out.scales[row + view_rows] = static_cast<float>(length1.scale);
  out.norms[row] = length0.norm;
  out.norms[row + view_rows] = length1.norm;
}

template <typename Numbers, typename element_t>
void launch_pack(const SimclrBenchContrast& problem, const void* z0, const void* z1,
                 const void* others, const PackedRows& rows, double* similarities,
                 cudaStream_t stream) {
  const Layout layout = layout_of(problem);
  const auto blocks = static_cast<unsigned>(layout.rows() / 2 / kWarps);
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
  with_numbers(problem, [&](auto numbers) {
    using Numbers = decltype(numbers);
    if constexpr (Numbers::half) {
      launch_pack<Numbers, __half>(problem, z0, z1, others, rows, similarities, stream);
    } else if (problem.element == kSimclrBenchFloat32) {
      launch_pack<Numbers, float>(problem, z0, z1, others, rows, similarities, stream);
    } else if constexpr (Numbers::parts == 1) {
      launch_pack<Numbers, __nv_bfloat16>(problem, z0, z1, others, rows, similarities, stream);
    }
  });
  return cudaGetLastError();
}

}  // namespace simclr_bench
