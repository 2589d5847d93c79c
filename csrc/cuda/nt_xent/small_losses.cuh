// The forward of the small contrastive kernels, and what blocks share. small.cu says how
// work is divided.
//
//   in    z0, z1 [B, D] in float32, float16 or bfloat16
//   out   loss [N] float32, statistics [3, N] float64

#pragma once

#include "small.cuh"

namespace simclr_bench {
namespace {

constexpr int kWarps = kThreads / 32;

// Shared memory of a block that has `groups` of rows j at a time.
template <typename Numbers>
struct Losses {
  using Own = Tiles<kOwn, Numbers::parts>;
  using Group = Tiles<kGroup, Numbers::parts>;

  static int64_t bytes(int slices, int groups) {
    return Own::bytes(slices) + groups * Group::bytes(slices);
  }
};

// Whether the block is the last of `count` to call this, one after the other. What they have
// written before is then there to be read. The ticket begins as 0.
__device__ bool is_last(unsigned* ticket, unsigned count) {
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    unsigned before;  // releases what was written, and acquires what those before have
    asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], 1;"
                 : "=r"(before)
                 : "l"(ticket)
                 : "memory");
    last = before == count - 1;
  }
  __syncthreads();
  return last;
}

// Over some rows j: the largest similarity, and Σ exp((s - top)·k).
struct RowSum {
  float top, sum;

  __device__ void add(const RowSum& other, float scale) {
    const float all = fmaxf(top, other.top);
    sum = sum * exp2_approx((top - finite(all)) * scale) +
          other.sum * exp2_approx((other.top - finite(all)) * scale);
    top = all;
  }
};

// What blocks leave for the last one. x: of rows i, y: split of the rows j.
struct Shares {
  unsigned* tickets;  // [x + 1], the last one for all blocks; 0
  RowSum* row_sums;   // [y, x, kOwn]; null in the backward, and with a single split
  float* gradients;   // [y, x, 8 * tiles of a warp, kThreads]; null likewise
  double* moments;    // [y, x]
};

// Blocks (x, y): 16 rows i, split of the rows j.
template <typename Numbers, typename element_t>
__global__ void __launch_bounds__(kThreads, 1)
    small_losses(Contrast c, Views<element_t> views, int groups, SimclrBenchObjective objective,
                 bool maxima, Shares shares, float* loss, double* statistics) {
  using L = Losses<Numbers>;
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ OwnRows own;
  __shared__ float scales[kWarps][kGroup];
  __shared__ RowSum of_warps[kWarps][kOwn];
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(blockIdx.x) * kOwn;
  unsigned char* tiles =
      memory + L::Own::bytes(views.slices) + warp * L::Group::bytes(views.slices);
  own.pack<Numbers>(views, first, memory);
  __syncthreads();

  const float scale = c.exponent_scale();
  const Columns columns(views, first);
  constexpr RowSum kNone{-INFINITY, 0};
  RowSum rows[2] = {kNone, kNone};
  for (int group = warp; warp < groups && group < columns.groups; group += groups) {
    const int begin = columns.begin + group * kGroup;
    __syncwarp();  // all are done with the group before
    pack_group<Numbers, Numbers::parts>(views, begin, tiles, scales[warp]);
    __syncwarp();
    Products<Numbers, 1, kGroup / 8> products;
    multiply_group<Numbers, Numbers::parts>(memory, tiles, views.slices, products);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = lane / 4 + 8 * half;
      float s[kGroup / 4];
      RowSum of_group = kNone;
#pragma unroll
      for (int i = 0; i < kGroup / 4; ++i) {
        const int column = 8 * (i / 2) + 2 * (lane % 4) + i % 2;
        const float x = products.sum(0, i / 2, 2 * half + i % 2);
        s[i] = views.is_negative(first + row, begin + column)
                   ? x * (own.scales[row] * scales[warp][column])
                   : -INFINITY;
        of_group.top = fmaxf(of_group.top, s[i]);
      }
#pragma unroll
      for (int i = 0; i < kGroup / 4; ++i)
        of_group.sum += exp2_approx((s[i] - finite(of_group.top)) * scale);
      rows[half].add(of_group, scale);
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    RowSum& row = rows[half];
    for (int lanes = 1; lanes <= 2; lanes *= 2) {
      row.add({__shfl_xor_sync(0xffffffff, row.top, lanes),
               __shfl_xor_sync(0xffffffff, row.sum, lanes)},
              scale);
    }
    if (lane % 4 == 0) of_warps[warp][lane / 4 + 8 * half] = row;
  }
  __syncthreads();

  const int place = static_cast<int>(threadIdx.x);
  RowSum row = kNone;
  if (place < kOwn) {
    for (int w = 0; w < kWarps; ++w) row.add(of_warps[w][place], scale);
  }
  if (gridDim.y > 1) {
    RowSum* const of_split = shares.row_sums + blockIdx.x * kOwn + place;
    const int split = static_cast<int>(gridDim.x) * kOwn;
    if (place < kOwn) of_split[blockIdx.y * split] = row;
    if (!is_last(shares.tickets + blockIdx.x, gridDim.y)) return;
    row = kNone;
    for (int y = 0; place < kOwn && y < static_cast<int>(gridDim.y); ++y)
      row.add(of_split[y * split], scale);
  }
  const int i = first + place;
  if (place >= kOwn || i >= views.rows()) return;
  // Without maxima, statistics are those of exponents that nothing is taken out of.
  const double top = maxima ? row.top : 0;
  const double log_sum = log(double{row.sum}) + (maxima ? 0 : finite(row.top) * c.k());
  const double similarity = own.similarities[place];
  const int n = views.rows();
  statistics[i] = top;
  statistics[n + i] = log_sum;
  statistics[2 * n + i] = similarity;
  loss[i] = loss_of(objective, (top - similarity) * c.k() + log_sum);
}

}  // namespace
}  // namespace simclr_bench
