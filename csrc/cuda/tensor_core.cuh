// Tensor cores from sm_80 on: cp.async, ldmatrix and mma.sync as functions, and tiles of 16-bit
// elements in shared memory.
//
// A tile has rows of kDepth elements in four pieces of 16 bytes. Piece c of row r lies at place
// c ^ (r / 2 % 4), so that the eight rows of an 8 x 8 matrix lie in different banks.

#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace simclr_bench {

constexpr int kDepth = 32;
constexpr int kRowBytes = 2 * kDepth;

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ inline uint32_t piece_offset(int row, int piece) {
  return static_cast<uint32_t>(row * kRowBytes + ((piece ^ (row >> 1 & 3)) << 4));
}

// All threads of the block copy kRows rows, kDepth columns of them, to one tile. `slice` is where
// packed rows of 2·kDepth columns begin (nt_xent/nt_xent.cuh), at a row that is a multiple of 8;
// `half` says which of their columns.
template <int kRows, int kThreads>
__device__ void fetch_tile(uint32_t tile, const uint16_t* slice, int half) {
  constexpr int kAtOnce = kThreads / 4;
  static_assert(kRows % kAtOnce == 0 && kAtOnce % 8 == 0, "all threads do the same, rows apart");
  const int row = static_cast<int>(threadIdx.x) / 4;
  const int piece = static_cast<int>(threadIdx.x) % 4;
  const uint32_t to = tile + piece_offset(row, piece);
  const uint16_t* from = slice + row * (2 * kDepth) + ((4 * half + piece) ^ row % 8) * 8;
#pragma unroll
  for (int i = 0; i < kRows / kAtOnce; ++i) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + i * kAtOnce * kRowBytes),
                 "l"(from + i * kAtOnce * 2 * kDepth));
  }
}

__device__ inline void commit_fetches() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for all but the latest `pending` groups of the calling thread.
template <int pending>
__device__ void wait_for_fetches() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

// Where a lane's row of four 8 x 8 matrices lies in a tile, for the operands below. Whole tiles, 8
// rows and 2 pieces from there on are this far: the places of pieces repeat.
constexpr uint32_t kEightRows = 8 * kRowBytes;
__device__ inline uint32_t two_pieces_on(uint32_t address) { return address ^ 32; }

// A 16 x 16 of the left operand: rows `row` to `row` + 15 of the tile, its first two pieces.
__device__ inline uint32_t left_offset(int row) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return piece_offset(row + lane % 16, lane / 16);
}

// Two 16 x 8 of the right operand, side by side: columns are rows of the tile.
__device__ inline uint32_t right_offset(int row) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return piece_offset(row + lane % 8 + lane / 16 * 8, lane / 8 % 2);
}

// The same where rows of the tile are rows of the operand.
__device__ inline uint32_t across_offset() {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return piece_offset(lane % 16, lane / 16);
}

__device__ inline void load_matrices(uint32_t (&x)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(address));
}

__device__ inline void load_transposed(uint32_t (&x)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(address));
}

// sum += x·y for 16 x 16 times 16 x 8. With g = lane / 4 and t = lane % 4, sum[r] is the element of
// row g + 8·(r / 2) and column 2t + r % 2.
template <bool half>
__device__ void multiply_add(float (&sum)[4], const uint32_t (&x)[4], uint32_t y0, uint32_t y1) {
  if constexpr (half) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y0), "r"(y1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y0), "r"(y1));
  }
}

// 2^x, 0 where that is below the smallest normal number.
__device__ inline float exp2_approx(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

// The nearest bfloat16 to each of two numbers, side by side; leaves what rounding took away.
template <typename real_t>
__device__ uint32_t take_bfloat16(real_t& low, real_t& high) {
  const auto both = __floats2bfloat162_rn(static_cast<float>(low), static_cast<float>(high));
  low -= __low2float(both);
  high -= __high2float(both);
  return *reinterpret_cast<const uint32_t*>(&both);
}

}  // namespace simclr_bench
