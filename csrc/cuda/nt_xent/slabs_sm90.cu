// The contrastive losses on CUDA: add_slabs of wide.cu with Hopper's instructions.
//
//   in    rows as pack_rows leaves them, weights G_ij as make_weights does
//   out   [splits, rows, padded_dim] float32: parts of the sums, without the positives' terms
//
// Parallelization: a block owns 128 rows i and a slab of columns of their gradient, in registers: a
// warpgroup has 64 rows, whose weights it loads one step ahead. One thread of a third warpgroup
// copies the rows j to a ring. No atomics. Few rows are split between blocks by j.

#include "gradient_sm90.cuh"
#include "wide.cuh"

namespace simclr_bench::sm90 {
namespace {

template <typename Numbers>
struct Slab {
  static constexpr int kParts = Numbers::gradient_parts;
  static constexpr int kSlices = kParts == 3 ? 3 : 4;  // at most, as registers allow
  static constexpr int kStageSlice = kSliceBytes * kParts;
  static constexpr int kStage = kSlices * kStageSlice;
  static constexpr int kStages = kSharedRoom / kStage < 4 ? kSharedRoom / kStage : 4;
  static constexpr int kBytes = kStages * kStage + Ring<kStages>::kBarrierBytes;
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

// One thread: `tiles` times kColumns rows j from `column` on, so many slices of them.
template <typename Numbers>
__device__ void copy_rows(const Contrast& c, int64_t column, int64_t tiles, int first_slice,
                          int slices, uint32_t memory, Ring<Slab<Numbers>::kStages> ring) {
  using S = Slab<Numbers>;
  for (; tiles > 0; --tiles, column += kColumns, ring.next()) {
    uint32_t to = memory + ring.stage * S::kStage;
    ring.wait_until_empty();
    arrive_expecting(ring.full(), slices * S::kStageSlice);
    for (int slice = first_slice; slice < first_slice + slices; ++slice) {
      for (int q = 0; q < S::kParts; ++q, to += kSliceBytes) {
        const uint16_t* from = c.slice(Numbers::first_gradient_matrix + q, column, slice);
        copy_bulk(to, from, kSliceBytes, ring.full());
      }
    }
  }
}

#endif

// Blocks (x, y, z): row block of the pass, slab, split of the rows j.
template <typename Numbers>
__global__ void __launch_bounds__(kTileThreads, 1)
    add_slabs(Contrast c, GradientPass pass, const uint4* weights, GradientParts out) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  using S = Slab<Numbers>;
  using Stored = StoredWeights<Numbers>;
  extern __shared__ __align__(1024) unsigned char dynamic[];
  const uint32_t memory = shared_address(dynamic);
  const int all_slices = static_cast<int>(c.layout.padded_dim / kSlice);
  const int each = (all_slices + gridDim.y - 1) / gridDim.y;
  const int first_slice = static_cast<int>(blockIdx.y) * each;
  const int slices = min(all_slices - first_slice, each);
  const int64_t begin = pass.column_tiles * blockIdx.z / gridDim.z;
  const int64_t end = pass.column_tiles * (blockIdx.z + 1) / gridDim.z;
  Ring<S::kStages> ring(memory + S::kStages * S::kStage);
  if (threadIdx.x == 0) ring.init(kConsumers / 32);
  __syncthreads();
  if (threadIdx.x >= kConsumers) {
    give_registers<24>();
    if (threadIdx.x > kConsumers) return;
    const int64_t first_tile = pass.first_column_tile(c.layout, pass.first + blockIdx.x);
    copy_rows<Numbers>(c, (first_tile + begin) * kColumns, end - begin, first_slice, slices, memory,
                       ring);
    return;
  }
  take_registers<240>();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  weights += Stored::at(pass, int64_t{blockIdx.x} * kRowTiles + warp, begin);
  uint4 loaded[Stored::kLoads];
#pragma unroll
  for (int i = 0; i < Stored::kLoads; ++i) loaded[i] = weights[i * 32];
  float sums[S::kSlices][8][4];
  for (int64_t tile = begin; tile < end; ++tile, ring.next()) {
    uint32_t x[kSteps][S::kParts][4];
#pragma unroll
    for (int i = 0; i < Stored::kLoads; ++i) {
      uint32_t(&to)[4] = x[i / S::kParts][i % S::kParts];
      to[0] = loaded[i].x, to[1] = loaded[i].y, to[2] = loaded[i].z, to[3] = loaded[i].w;
    }
    if (tile + 1 < end) {  // while these are multiplied
      weights += Stored::kLoads * 32;
#pragma unroll
      for (int i = 0; i < Stored::kLoads; ++i) loaded[i] = weights[i * 32];
    }
    ring.wait_until_full();
    multiply_weights<Numbers>(sums, x, memory + ring.stage * S::kStage, S::kStageSlice, kSliceBytes,
                              slices, tile > begin);
    end_group();
    wait_for_products<0>();
    __syncwarp();
    if (lane == 0) ring.give_back();
  }

  const int64_t at = blockIdx.z * pass.rows() + blockIdx.x * kTile + warp * 16 + lane / 4;
#pragma unroll
  for (int slice = 0; slice < S::kSlices; ++slice) {
    if (slice >= slices) continue;
    settle(sums[slice]);
    const int column = (first_slice + slice) * kSlice + 2 * (lane % 4);
    write_slice(sums[slice], out.sums + at * c.layout.padded_dim + column, c.layout.padded_dim);
  }
#endif
}

template <typename Numbers>
cudaError_t launch(const Contrast& c, const GradientPass& pass, const uint4* weights, int64_t slabs,
                   const GradientParts& out, cudaStream_t stream) {
  const auto kernel = add_slabs<Numbers>;
  constexpr int kBytes = Slab<Numbers>::kBytes;
  const dim3 grid(static_cast<unsigned>(pass.count), static_cast<unsigned>(slabs),
                  static_cast<unsigned>(out.splits));
  return launch_with_memory(kernel, grid, kTileThreads, kBytes, stream, c, pass, weights, out);
}

}  // namespace

int64_t slabs(const SimclrBenchContrast& problem) {
  return with_numbers(problem, [&](auto numbers) {
    return ceil_div(layout_of(problem).padded_dim, Slab<decltype(numbers)>::kSlices * kSlice);
  });
}

cudaError_t add_slabs(const SimclrBenchContrast& problem, const Contrast& c,
                      const GradientPass& pass, const uint4* weights, const GradientParts& out,
                      cudaStream_t stream) {
  return with_numbers(problem, [&](auto numbers) {
    return launch<decltype(numbers)>(c, pass, weights, slabs(problem), out, stream);
  });
}

}  // namespace simclr_bench::sm90
