// The contrastive losses on CUDA: Σ_j G_ij·u_j for each row, and what the temperature's gradient
// needs. Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md beside this file.
//
//   in    rows as pack_rows leaves them, coefficients of each row
//   out   [splits, rows, padded_dim] float32: parts of the sums, without the positives' terms
//
// Not stored: similarities and weights. They are computed again, kColumns rows j at a time, and
// turned into left operands in the registers that they are in.
//
// Parallelization: a block owns 128 rows i, which stay in shared memory, and all columns of their
// gradient, in registers. It runs over the rows j. No atomics. Few rows are split between blocks
// by j.

#include "gradient.cuh"
#include "tile.cuh"

namespace simclr_bench {
namespace {

template <typename Numbers, bool kMaxima>
struct Backward {
  // As many sums as there are registers for, beside those of the products.
  static constexpr int kSlices = Numbers::gradient_parts == 1 && !kMaxima ? 4 : 2;
  static constexpr int kOwnBytes = kTile * kRowBytes * Numbers::parts;  // per kDepth columns
  static constexpr int kRightBytes = kColumns * kRowBytes * Numbers::parts;
  static constexpr int kSliceStage = kSliceBytes * Numbers::gradient_parts;
  static constexpr int kStageBytes = kRightBytes > kSliceStage ? kRightBytes : kSliceStage;
  static constexpr int kStages = Numbers::parts == 1 ? 4 : 2;

  static int64_t bytes(int64_t padded_dim) {
    return padded_dim / kDepth * kOwnBytes + kStages * kStageBytes;
  }
};

// The rows j that come next: their products' next kDepth columns, then slices of the gradient.
struct Cursor {
  int64_t tile;
  int phase;
};

// 8 warps of 16 rows each. Blocks (x, y): row block, split of the rows j.
template <typename Numbers, bool kMaxima>
__global__ void __launch_bounds__(kThreads, 1)
    add_gradients(Contrast c, Coefficients in, GradientPass pass, GradientParts out) {
#ifndef __CUDA_ARCH_FEAT_SM90_ALL
  using B = Backward<Numbers, kMaxima>;
  extern __shared__ __align__(128) unsigned char memory[];
  const Layout& layout = c.layout;
  const int64_t row_block = pass.first + blockIdx.x;
  const int steps = static_cast<int>(layout.padded_dim / kDepth);
  const int slices = static_cast<int>(layout.padded_dim / kSlice);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_row = static_cast<int>(threadIdx.x) / 32 * 16;
  const uint32_t own = shared_address(memory);
  const uint32_t ring = own + steps * B::kOwnBytes;
  const uint32_t left = own + left_offset(first_row);
  const uint32_t right = right_offset(0);
  const uint32_t across = across_offset();

  const int64_t first_tile = pass.first_column_tile(layout, row_block);
  const int64_t end = first_tile + pass.column_tiles * (blockIdx.y + 1) / gridDim.y;
  Cursor next{first_tile + pass.column_tiles * blockIdx.y / gridDim.y, 0};
  const int64_t begin = next.tile;
  int fetched = 0;  // stage of the next fetch
  const auto fetch = [&] {
    if (next.tile < end) {
      const uint32_t to = ring + fetched * B::kStageBytes;
      const int64_t column = next.tile * kColumns;
      if (next.phase < steps) {
#pragma unroll
        for (int p = 0; p < Numbers::parts; ++p) {
          fetch_tile<kColumns, kThreads>(to + p * kColumns * kRowBytes,
                                         c.slice(p, column, next.phase / 2), next.phase % 2);
        }
      } else {
        fetch_slice<Numbers>(c, to, column, next.phase - steps);
      }
      if (++next.phase == steps + slices) next = {next.tile + 1, 0};
      fetched = fetched + 1 == B::kStages ? 0 : fetched + 1;
    }
    commit_fetches();
  };
  int read = 0;  // stage that is read next
  const auto next_stage = [&] {
    wait_for_fetches<B::kStages - 2>();
    __syncthreads();  // all have their part of it, and are done with the one before
    fetch();
    const uint32_t stage = ring + read * B::kStageBytes;
    read = read + 1 == B::kStages ? 0 : read + 1;
    return stage;
  };
  for (int step = 0; step < steps; ++step) {  // with the first stage
#pragma unroll
    for (int p = 0; p < Numbers::parts; ++p) {
      fetch_tile<kTile, kThreads>(own + step * B::kOwnBytes + p * kTile * kRowBytes,
                                  c.slice(p, row_block * kTile, step / 2), step % 2);
    }
  }
  for (int i = 0; i < B::kStages - 1; ++i) fetch();

  const float exponent_scale = c.exponent_scale();
  const int64_t row = row_block * kTile + first_row + lane / 4;
  RowState state[2] = {{c, in, row}, {c, in, row + 8}};
  float sums[B::kSlices][8][4] = {};
  for (int64_t tile = begin; tile < end; ++tile) {
    Products<Numbers, 1> products;
    for (int step = 0; step < steps; ++step) {
      const uint32_t stage = next_stage();
      products.template add<kTile, kColumns>(left + step * B::kOwnBytes, stage + right);
    }
    const Negatives negatives(layout, row_block, tile / kTiles);
    const bool all = negatives.all();
    const int first_column = static_cast<int>(tile % kTiles) * kColumns + 2 * (lane % 4);
    float weights[8][4];
#pragma unroll
    for (int n = 0; n < 8; ++n) {
      float similarities[4];
      bool counts[4];
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        similarities[r] = products.sum(0, n, r);
        counts[r] = all || negatives.contain(first_row + lane / 4 + 8 * (r / 2),
                                             first_column + 8 * n + r % 2);
      }
      const int64_t column = tile * kColumns + 8 * n + 2 * (lane % 4);
      weights_of<kMaxima>(c, in, column, similarities, counts, exponent_scale, state, weights[n]);
    }
#pragma unroll
    for (int slice = 0; slice < B::kSlices; ++slice) {
      if (slice >= slices) continue;
      const uint32_t rows = next_stage() + across;
#pragma unroll
      for (int step = 0; step < kColumns / 16; ++step) {
        uint32_t x[Numbers::gradient_parts][4];
        split_weights<Numbers>(weights[2 * step], weights[2 * step + 1], x);
        add_products<Numbers>(sums[slice], x, rows + 2 * step * kEightRows);
      }
    }
  }

  const int64_t at = blockIdx.y * pass.rows() + blockIdx.x * kTile + first_row + lane / 4;
#pragma unroll
  for (int slice = 0; slice < B::kSlices; ++slice) {
    if (slice >= slices) continue;
    float* to = out.sums + at * layout.padded_dim + slice * kSlice + 2 * (lane % 4);
    write_slice(sums[slice], to, layout.padded_dim);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float moment = state[half].whole_moment();
    if (lane % 4 == 0) out.moments[at + 8 * half] = moment;
  }
#endif
}

template <typename Numbers, bool kMaxima>
cudaError_t launch(const Contrast& c, const Coefficients& in, const GradientPass& pass,
                   const GradientParts& out, cudaStream_t stream) {
  const auto kernel = add_gradients<Numbers, kMaxima>;
  const auto bytes = static_cast<int>(Backward<Numbers, kMaxima>::bytes(c.layout.padded_dim));
  const dim3 grid(static_cast<unsigned>(pass.count), static_cast<unsigned>(out.splits));
  return launch_with_memory(kernel, grid, kThreads, bytes, stream, c, in, pass, out);
}

// visit(Numbers(), maxima) with maxima as a type.
template <typename Visit>
auto with_kernel(const SimclrBenchContrast& problem, Visit visit) {
  return with_numbers(problem, [&](auto numbers) {
    return takes_maxima(problem) ? visit(numbers, std::true_type())
                                 : visit(numbers, std::false_type());
  });
}

}  // namespace

bool fits_block(const SimclrBenchContrast& problem) {
  if (problem.hopper) return sm90::fits_block(problem);
  const int64_t padded_dim = layout_of(problem).padded_dim;
  return with_kernel(problem, [&](auto numbers, auto maxima) {
    using B = Backward<decltype(numbers), decltype(maxima)::value>;
    return padded_dim <= B::kSlices * kSlice && B::bytes(padded_dim) <= problem.shared_bytes;
  });
}

cudaError_t add_gradients(const SimclrBenchContrast& problem, const Contrast& c,
                          const Coefficients& in, const GradientPass& pass,
                          const GradientParts& out, cudaStream_t stream) {
  if (problem.hopper) return sm90::add_gradients(problem, c, in, pass, out, stream);
  return with_kernel(problem, [&](auto numbers, auto maxima) {
    return launch<decltype(numbers), decltype(maxima)::value>(c, in, pass, out, stream);
  });
}

}  // namespace simclr_bench
