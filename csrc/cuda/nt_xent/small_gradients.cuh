// The backward of the small contrastive kernels. small.cu says how work is divided.
//
//   in    z0, z1 [B, D], statistics [3, N] float64, grad [N] float32
//   out   gradients in the dtype of the rows, and of the temperature in float64
//
// Similarities are computed again. Sums over rows j, the positive's terms and the projection all
// happen in the registers of the threads that write a row's gradient.

#pragma once

#include "gradient.cuh"
#include "small_losses.cuh"

namespace simclr_bench {
namespace {

constexpr int kSteps = kGroup / 16;
constexpr int kSums = kMostSlices * kSlice / 16 / kWarps;  // of a warp, 16 x 16 each
constexpr int kFragmentBytes = 32 * sizeof(uint4);         // 16 x 16 weights as a left operand

template <typename Numbers>
struct Gradients {
  using Own = Tiles<kOwn, Numbers::parts>;
  using Group = Tiles<kGroup, Numbers::matrices>;
  static constexpr int kWeightBytes = kSteps * Numbers::gradient_parts * kFragmentBytes;

  static int64_t bytes(int slices, int groups) {
    return Own::bytes(slices) + groups * (Group::bytes(slices) + kWeightBytes);
  }
};

// Blocks (x, y): 16 rows i, split of the rows j.
template <typename Numbers, typename element_t>
__global__ void __launch_bounds__(kThreads, 1)
    small_gradients(Contrast c, Views<element_t> views, int groups, bool decoupled,
                    const float* grad, const double* statistics, element_t* grad_z0,
                    element_t* grad_z1, Shares shares, double* grad_temperature) {
  using G = Gradients<Numbers>;
  constexpr int kParts = Numbers::gradient_parts;
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ OwnRows own;
  __shared__ Coefficient of_own[2 * kOwn];  // and of their positives
  __shared__ __align__(16) float scales[kWarps][kGroup], weights[kWarps][kGroup],
      maxima[kWarps][kGroup];
  __shared__ float along[kWarps][kOwn], of_rows[kWarps][kOwn];
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(blockIdx.x) * kOwn;
  const int n = views.rows();
  const int group_bytes = G::Group::bytes(views.slices);
  unsigned char* tiles = memory + G::Own::bytes(views.slices);
  auto* fragments = reinterpret_cast<uint4*>(tiles + groups * group_bytes);
  const double k = c.k();
  const float exponent_scale = c.exponent_scale();
  const auto coefficient_of = [&](int i) {
    return i < n ? Coefficient(statistics, n, i, grad[i], k, decoupled) : Coefficient{};
  };
  if (warp == kWarps - 1) {
    const int i = first + lane % kOwn;
    of_own[lane] = coefficient_of(lane < kOwn ? i : views.pair_of(i));
  } else {
    own.pack<Numbers>(views, first, memory);
  }
  __syncthreads();

  const int places[2] = {lane / 4, lane / 4 + 8};
  RowState state[2] = {{own.scales[places[0]], of_own[places[0]]},
                       {own.scales[places[1]], of_own[places[1]]}};
  const Columns columns(views, first);
  c.scales = scales[warp];
  const Coefficients in{weights[warp], nullptr, maxima[warp], nullptr};
  float sums[kSums][2][4] = {};
  for (int done = 0; done < columns.groups; done += groups) {
    const int now = min(groups, columns.groups - done);
    if (warp < now) {
      const int begin = columns.begin + (done + warp) * kGroup;
      unsigned char* group = tiles + warp * group_bytes;
      pack_group<Numbers, Numbers::matrices>(views, begin, group, scales[warp]);
      const Coefficient of = coefficient_of(begin + lane);
      weights[warp][lane] = of.weight;
      maxima[warp][lane] = of.maximum;
      __syncwarp();
      Products<Numbers, 1, kGroup / 8> products;
      multiply_group<Numbers, Numbers::matrices>(memory, group, views.slices, products);
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        float both[2][4];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int column = 8 * (2 * step + i) + 2 * (lane % 4);
          float similarities[4];
          bool counts[4];
#pragma unroll
          for (int r = 0; r < 4; ++r) {
            similarities[r] = products.sum(0, 2 * step + i, r);
            counts[r] = views.is_negative(first + places[r / 2], begin + column + r % 2);
          }
          weights_of<true>(c, in, column, similarities, counts, exponent_scale, state, both[i]);
        }
        uint32_t x[kParts][4];
        split_weights<Numbers>(both[0], both[1], x);
#pragma unroll
        for (int p = 0; p < kParts; ++p) {
          fragments[((warp * kSteps + step) * kParts + p) * 32 + lane] =
              make_uint4(x[p][0], x[p][1], x[p][2], x[p][3]);
        }
      }
    }
    __syncthreads();
    for (int step = 0; step < now * kSteps; ++step) {
      uint32_t x[kParts][4];
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        const uint4 bits = fragments[(step * kParts + p) * 32 + lane];
        x[p][0] = bits.x;
        x[p][1] = bits.y;
        x[p][2] = bits.z;
        x[p][3] = bits.w;
      }
      const uint32_t rows = shared_address(tiles) + step / kSteps * group_bytes +
                            step % kSteps * (2 * kEightRows) + across_offset() +
                            Numbers::first_gradient_matrix * G::Group::kTileBytes;
#pragma unroll
      for (int i = 0; i < kSums; ++i) {
        const int tile = i * kWarps + warp;  // of 16 columns
        if (tile >= views.slices * (kSlice / 16)) continue;
        uint32_t y[kParts][4];
#pragma unroll
        for (int q = 0; q < kParts; ++q) {
          const uint32_t at = rows + tile / 2 * G::Group::kStepBytes + q * G::Group::kTileBytes;
          load_transposed(y[q], tile % 2 ? two_pieces_on(at) : at);
        }
        multiply_parts<Numbers>(sums[i][0], sums[i][1], x, y);
      }
    }
    __syncthreads();  // all are done with these rows
  }

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float moment = state[half].whole_moment();
    if (lane % 4 == 0) of_rows[warp][places[half]] = moment;
  }
  __syncthreads();
  const unsigned block = blockIdx.y * gridDim.x + blockIdx.x;
  const unsigned blocks = gridDim.x * gridDim.y;
  if (grad_temperature) {
    double sum = threadIdx.x < kWarps * kOwn ? of_rows[threadIdx.x / kOwn][threadIdx.x % kOwn] : 0;
    const auto add = [](double a, double b) { return a + b; };
    sum = block_reduce(sum, add);
    if (threadIdx.x == 0) shares.moments[block] = sum;
    if (is_last(shares.tickets + gridDim.x, blocks)) {
      sum = 0;
      for (unsigned i = threadIdx.x; i < blocks; i += kThreads) sum += shares.moments[i];
      sum = block_reduce(sum, add);
      if (threadIdx.x == 0) *grad_temperature = -k * k * (sum / kUnit);
    }
  }

  const int used = (views.slices * (kSlice / 16) + kWarps - 1) / kWarps;
  // visit(sum, number) for each of this thread's sums.
  const auto each_sum = [&](auto visit) {
#pragma unroll
    for (int i = 0; i < kSums * 8; ++i) {
      if (i / 8 < used) visit(sums[i / 8][i / 4 % 2][i % 4], i);
    }
  };
  if (gridDim.y > 1) {
    const auto share = [&](unsigned y, int i) -> float& {
      return shares
          .gradients[((y * gridDim.x + blockIdx.x) * used * 8 + i) * kThreads + threadIdx.x];
    };
    each_sum([&](float sum, int i) { share(blockIdx.y, i) = sum; });
    if (!is_last(shares.tickets + blockIdx.x, gridDim.y)) return;
    each_sum([&](float& sum, int i) {
      sum = 0;
      for (unsigned y = 0; y < gridDim.y; ++y) sum += share(y, i);
    });
  }

  // visit(sum, d) for each sum of row places[half] that is this thread's.
  const auto each = [&](int half, auto visit) {
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int d = (i * kWarps + warp) * 16 + r / 2 * 8 + 2 * (lane % 4) + r % 2;
        if (d < views.dim) visit(sums[i][r / 2][2 * half + r % 2], d);
      }
    }
  };
  const auto projection_of = [&](int half) {
    const int place = places[half];
    const float pull = of_own[place].pull + of_own[kOwn + place].pull;
    return Projection(own.norms[place], own.pair_norms[place], pull, k, views.normalize);
  };
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const Projection projection = projection_of(half);
    const element_t* z = views.row(first + places[half]);
    const element_t* other = views.row(views.pair_of(first + places[half]));
    float part = 0;
    if (z) {
      each(half, [&](float& sum, int d) {
        sum = projection.gradient(sum, to_float(other[d]));
        if (projection.turns) part += sum * (to_float(z[d]) / projection.divisor);
      });
    }
    part += __shfl_xor_sync(0xffffffff, part, 1);
    part += __shfl_xor_sync(0xffffffff, part, 2);
    if (lane % 4 == 0) along[warp][places[half]] = part;
  }
  __syncthreads();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int i = first + places[half];
    const element_t* z = views.row(i);
    if (!z) continue;
    const Projection projection = projection_of(half);
    element_t* out = i < views.pairs ? grad_z0 + int64_t{i} * views.dim
                                     : grad_z1 + int64_t{i - views.pairs} * views.dim;
    float all = 0;
    for (int w = 0; w < kWarps; ++w) all += along[w][places[half]];
    each(half, [&](float sum, int d) {
      out[d] = from_float<element_t>(projection.result(sum, all, to_float(z[d])));
    });
  }
}

}  // namespace
}  // namespace simclr_bench
