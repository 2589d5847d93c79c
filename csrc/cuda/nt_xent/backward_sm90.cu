// The contrastive losses on CUDA: the sums of backward.cu with Hopper's instructions.
//
//   in    rows as pack_rows leaves them, coefficients of each row
//   out   [splits, rows, padded_dim] float32: parts of the sums, without the positives' terms
//
// Not stored: similarities and weights. They are computed again, kWidth rows j at a time, and
// turned into left operands in the registers that they are in. The rows j are copied once for both
// products, the second of which takes them transposed.
//
// Parallelization: a block owns 128 rows i, which stay in shared memory, and all columns of their
// gradient, in registers: a warpgroup has 64 rows. One thread of a third warpgroup copies the rows
// j to a ring. The warpgroups take turns: while one makes weights, the products of the other run.
// No atomics. Few rows are split between blocks by j.

#include <type_traits>

#include "gradient_sm90.cuh"

namespace simclr_bench::sm90 {
namespace {

template <typename Numbers, bool kMaxima, int kSlices_>
struct Backward {
  static constexpr int kSlices = kSlices_;  // of the gradient, at most
  // Rows j of a step: as many as there are registers for.
  static constexpr int kWidth = Numbers::matrices == 1 && kSlices == 2 ? 128 : 64;
  static constexpr int kOwnMatrix = kTile * kSlice * 2;  // bytes of a slice
  static constexpr int kMatrix = kWidth * kSlice * 2;
  static constexpr int kOwnSlice = kOwnMatrix * Numbers::parts;
  static constexpr int kStageSlice = kMatrix * Numbers::matrices;
  // Of each row j: scale, weight and perhaps maximum.
  static constexpr int kFactor = kWidth * static_cast<int>(sizeof(float));
  static constexpr int kFactors = kFactor * (kMaxima ? 3 : 2);
  static constexpr int kFit = (kSharedRoom - kSlices * kOwnSlice) / (kSlices * kStageSlice);
  static constexpr int kStages = kFit < 3 ? kFit : 3;  // a step takes longer than copies
  static_assert(kStages >= 2, "one is copied while another one is read");

  static int bytes(int slices) {
    return slices * (kOwnSlice + kStages * kStageSlice) + kStages * kFactors +
           Ring<kStages>::kBarrierBytes + 8;
  }
};

// What a block of threads has to do, and its shared memory: rows i, a ring of rows j, one of their
// factors, barriers of the rings and one of the rows i.
template <typename B>
struct Block {
  int64_t row_block;     // rows i
  int64_t first_column;  // rows j, of all blocks that have these rows i
  int64_t begin, end;    // steps of the block
  int slices;
  uint32_t memory;

  __device__ Block(const Layout& layout, const GradientPass& pass, uint32_t memory)
      : row_block(pass.first + blockIdx.x),
        first_column(pass.first_column_tile(layout, row_block) * kColumns),
        slices(static_cast<int>(layout.padded_dim / kSlice)),
        memory(memory) {
    const int64_t steps = pass.column_tiles * kColumns / B::kWidth;
    begin = steps * blockIdx.y / gridDim.y;
    end = steps * (blockIdx.y + 1) / gridDim.y;
  }
  __device__ uint32_t stage(int i) const {
    return memory + slices * (B::kOwnSlice + i * B::kStageSlice);
  }
  __device__ uint32_t factors(int i) const { return stage(B::kStages) + i * B::kFactors; }
  __device__ uint32_t barriers() const { return factors(B::kStages); }
  __device__ uint32_t own_barrier() const { return barriers() + Ring<B::kStages>::kBarrierBytes; }
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

// A thread of the producer.
template <typename Numbers, bool kMaxima, typename B>
__device__ void copy_rows(const Contrast& c, const Coefficients& in, const Block<B>& block) {
  uint32_t to = block.memory;
  arrive_expecting(block.own_barrier(), block.slices * B::kOwnSlice);
  for (int slice = 0; slice < block.slices; ++slice) {
    for (int p = 0; p < Numbers::parts; ++p, to += B::kOwnMatrix) {
      const uint16_t* from = c.slice(p, block.row_block * kTile, slice);
      copy_bulk(to, from, B::kOwnMatrix, block.own_barrier());
    }
  }
  Ring<B::kStages> ring(block.barriers());
  for (int64_t step = block.begin; step < block.end; ++step, ring.next()) {
    const int64_t column = block.first_column + step * B::kWidth;
    ring.wait_until_empty();
    arrive_expecting(ring.full(), block.slices * B::kStageSlice + B::kFactors);
    to = block.stage(ring.stage);
    for (int slice = 0; slice < block.slices; ++slice) {
      for (int m = 0; m < Numbers::matrices; ++m, to += B::kMatrix)
        copy_bulk(to, c.slice(m, column, slice), B::kMatrix, ring.full());
    }
    to = block.factors(ring.stage);
    copy_bulk(to, c.scales + column, B::kFactor, ring.full());
    copy_bulk(to + B::kFactor, in.weights + column, B::kFactor, ring.full());
    if (kMaxima) copy_bulk(to + 2 * B::kFactor, in.maxima + column, B::kFactor, ring.full());
  }
}

// Of two rows j, of which the first has its scale there.
template <bool kMaxima, typename B>
__device__ ColumnPair factors_at(uint32_t address) {
  const auto load = [&](int factor) {
    return *static_cast<const float2*>(__cvta_shared_to_generic(address + factor * B::kFactor));
  };
  return {load(0), load(1), kMaxima ? load(2) : float2{}};
}

// A consumer begins all products of its rows i and of rows j.
template <typename Numbers, typename B>
__device__ void multiply_slices(WarpgroupProducts<Numbers, B::kWidth>& products, uint32_t rows,
                                uint32_t columns, int slices) {
  constexpr int kLast = Numbers::parts - 1;
  uint64_t a = along_rows(rows);
  uint64_t b = along_rows(columns);
#pragma unroll 1
  for (int slice = 0; slice < slices; ++slice) {
    fence_products();
#pragma unroll
    for (int step = 0; step < kSlice / 16; ++step) {
#pragma unroll
      for (int order = kLast; order >= 0; --order) {  // p + q, smallest products first
#pragma unroll
        for (int p = 0; p <= order; ++p) {
          const uint64_t x = a + ((p * B::kOwnMatrix + 32 * step) >> 4);
          const uint64_t y = b + (((order - p) * B::kMatrix + 32 * step) >> 4);
          const bool first = step == 0 && p == 0 && (order == 0 || order == kLast);
          const int keep = !first || slice > 0;
          if constexpr (kLast == 0) {
            multiply_rows<Numbers::half>(products.leading, x, y, keep);
          } else {
            multiply_rows<Numbers::half>(order > 0 ? products.others : products.leading, x, y,
                                         keep);
          }
        }
      }
    }
    a += B::kOwnSlice >> 4;
    b += B::kStageSlice >> 4;
  }
}

// A consumer.
template <typename Numbers, bool kMaxima, typename B>
__device__ void add_products(const Contrast& c, const Coefficients& in, const Block<B>& block,
                             const GradientPass& pass, const GradientParts& out) {
  constexpr int kTurn = 1;  // of the first warpgroup; the next barrier is the other's
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int local = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;  // and 8 on
  const int warpgroup = static_cast<int>(threadIdx.x) / 128;
  const uint32_t rows = block.memory + warpgroup * (B::kOwnMatrix / 2);
  const float exponent_scale = c.exponent_scale();
  const int64_t row = block.row_block * kTile + local;
  RowState state[2] = {{c, in, row}, {c, in, row + 8}};
  float sums[B::kSlices][8][4];
  WarpgroupProducts<Numbers, B::kWidth> products;
  Ring<B::kStages> ring(block.barriers());

  wait(block.own_barrier(), 0);
  if (warpgroup == 1) notify_threads<kConsumers>(kTurn);
  ring.wait_until_full();
  multiply_slices<Numbers, B>(products, rows, block.stage(ring.stage), block.slices);
  end_group();
  wait_for_products<0>();
  for (int64_t step = block.begin; step < block.end; ++step) {
    settle(products.leading);
    if constexpr (Numbers::parts > 1) settle(products.others);
    uint32_t x[B::kWidth / 16][Numbers::gradient_parts][4];
    const int64_t column = block.first_column + step * B::kWidth;
    const Negatives negatives(c.layout, block.row_block, column / kTile);
    const auto make_weights = [&](auto without_mask) {
      constexpr bool kAll = decltype(without_mask)::value;
      const int within = static_cast<int>(column % kTile) + 2 * (lane % 4);
      const uint32_t factors = block.factors(ring.stage) + 8 * (lane % 4);
#pragma unroll
      for (int n = 0; n < B::kWidth / 8; n += 2) {
        float weights[2][4];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float similarities[4];
          bool counts[4];
#pragma unroll
          for (int r = 0; r < 4; ++r) {
            similarities[r] = products.sum(n + i, r);
            counts[r] = kAll || negatives.contain(local + r / 2 * 8, within + 8 * (n + i) + r % 2);
          }
          weights_of<kMaxima>(factors_at<kMaxima, B>(factors + 32 * (n + i)), similarities, counts,
                              exponent_scale, state, weights[i]);
        }
        split_weights<Numbers>(weights[0], weights[1], x[n / 2]);
      }
    };
    if (negatives.all()) {
      make_weights(std::true_type());
    } else {
      make_weights(std::false_type());
    }

    // Products with these weights, and those of the next similarities.
    const Ring<B::kStages> read = ring;
    sync_threads<kConsumers>(kTurn + warpgroup);
    multiply_weights<Numbers>(sums, x,
                              block.stage(read.stage) + Numbers::first_gradient_matrix * B::kMatrix,
                              B::kStageSlice, B::kMatrix, block.slices, step > block.begin);
    end_group();
    ring.next();
    const bool last = step + 1 == block.end;
    if (!last) {
      ring.wait_until_full();
      multiply_slices<Numbers, B>(products, rows, block.stage(ring.stage), block.slices);
    }
    end_group();
    if (!last || warpgroup == 0) notify_threads<kConsumers>(kTurn + 1 - warpgroup);
    wait_for_products<1>();
    __syncwarp();
    if (lane == 0) read.give_back();
    wait_for_products<0>();
  }

  const int64_t at = blockIdx.y * pass.rows() + blockIdx.x * kTile + local;
#pragma unroll
  for (int slice = 0; slice < B::kSlices; ++slice) {
    if (slice >= block.slices) continue;
    settle(sums[slice]);
    float* to = out.sums + at * c.layout.padded_dim + slice * kSlice + 2 * (lane % 4);
    write_slice(sums[slice], to, c.layout.padded_dim);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float moment = state[half].whole_moment();
    if (lane % 4 == 0) out.moments[at + 8 * half] = moment;
  }
}

#endif

// Blocks (x, y): row block, split of the rows j.
template <typename Numbers, bool kMaxima, int kSlices>
__global__ void __launch_bounds__(kTileThreads, 1)
    add_gradients(Contrast c, Coefficients in, GradientPass pass, GradientParts out) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  using B = Backward<Numbers, kMaxima, kSlices>;
  extern __shared__ __align__(1024) unsigned char memory[];
  const Block<B> block(c.layout, pass, shared_address(memory));
  if (threadIdx.x == 0) {
    init_barrier(block.own_barrier(), 1);
    Ring<B::kStages>(block.barriers()).init(kConsumers / 32);
  }
  __syncthreads();
  if (threadIdx.x < kConsumers) {
    take_registers<240>();
    add_products<Numbers, kMaxima>(c, in, block, pass, out);
  } else {
    give_registers<24>();
    if (threadIdx.x == kConsumers) copy_rows<Numbers, kMaxima>(c, in, block);
  }
#endif
}

template <typename Numbers, bool kMaxima, int kSlices>
cudaError_t launch(const Contrast& c, const Coefficients& in, const GradientPass& pass,
                   const GradientParts& out, cudaStream_t stream) {
  using B = Backward<Numbers, kMaxima, kSlices>;
  const auto kernel = add_gradients<Numbers, kMaxima, kSlices>;
  const int bytes = B::bytes(static_cast<int>(c.layout.padded_dim / kSlice));
  const dim3 grid(static_cast<unsigned>(pass.count), static_cast<unsigned>(out.splits));
  return launch_with_memory(kernel, grid, kTileThreads, bytes, stream, c, in, pass, out);
}

// visit(Numbers(), maxima, slices), the latter two as types.
template <typename Visit>
auto with_kernel(const SimclrBenchContrast& problem, Visit visit) {
  return with_numbers(problem, [&](auto numbers) {
    const auto with_slices = [&](auto slices) {
      return takes_maxima(problem) ? visit(numbers, std::true_type(), slices)
                                   : visit(numbers, std::false_type(), slices);
    };
    if constexpr (decltype(numbers)::matrices == 1) {
      if (layout_of(problem).padded_dim > 2 * kSlice)
        return with_slices(std::integral_constant<int, 4>());
    }
    return with_slices(std::integral_constant<int, 2>());
  });
}

}  // namespace

bool fits_block(const SimclrBenchContrast& problem) {
  const auto slices = static_cast<int>(layout_of(problem).padded_dim / kSlice);
  return with_kernel(problem, [&](auto numbers, auto maxima, auto most) {
    using B = Backward<decltype(numbers), decltype(maxima)::value, decltype(most)::value>;
    return slices <= B::kSlices && B::bytes(slices) <= problem.shared_bytes;
  });
}

cudaError_t add_gradients(const SimclrBenchContrast& problem, const Contrast& c,
                          const Coefficients& in, const GradientPass& pass,
                          const GradientParts& out, cudaStream_t stream) {
  return with_kernel(problem, [&](auto numbers, auto maxima, auto slices) {
    return launch<decltype(numbers), decltype(maxima)::value, decltype(slices)::value>(c, in, pass,
                                                                                       out, stream);
  });
}

}  // namespace simclr_bench::sm90
