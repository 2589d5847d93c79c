// Hopper's instructions (sm_90a) as functions: barriers in shared memory, bulk copies, and products
// of warpgroups. Shared memory is addressed by its 32-bit addresses (shared_address).
//
// Matrices lie in shared memory as rows are packed (nt_xent/nt_xent.cuh): slices of 64 columns,
// each a run of rows of 128 bytes, in the 128-byte swizzle, and begin at multiples of 1024 bytes. A
// slice as it is serves as an operand whose rows or columns are its rows (along_rows), or,
// transposed, as a right operand whose columns are its columns (along_columns).

#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "tensor_core.cuh"

namespace simclr_bench {

constexpr uint32_t kSwizzleBytes = 1024;  // of the pattern of eight rows

__device__ inline void init_barrier(uint32_t barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

// After init_barrier, before bulk copies may complete on them.
__device__ inline void fence_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives; the phase lasts until so many bytes have come as well.
__device__ inline void arrive_expecting(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

// Until the phase of that parity has ended: of a new barrier, 1 has and 0 has not.
__device__ inline void wait(uint32_t barrier, uint32_t parity) {
  uint32_t ended = 0;
  while (!ended) {
    asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; "
        "selp.u32 %0, 1, 0, p; }"
        : "=r"(ended)
        : "r"(barrier), "r"(parity)
        : "memory");
  }
}

// Begins a copy of contiguous bytes, a multiple of 16, that the barrier counts.
__device__ inline void copy_bulk(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}

// A ring of buffers in shared memory that one thread fills with bulk copies, and `readers` threads
// each give back. Two barriers per buffer, at `barriers`.
template <int kStages>
struct Ring {
  static constexpr uint32_t kBarrierBytes = 16 * kStages;

  uint32_t barriers;
  int stages;  // that are used
  int stage = 0;
  uint32_t parity = 0;

  __device__ explicit Ring(uint32_t barriers, int stages = kStages)
      : barriers(barriers), stages(stages) {}

  // By one thread; a barrier of the block has to follow.
  __device__ void init(uint32_t readers) const {
    for (int i = 0; i < kStages; ++i) {
      init_barrier(barriers + 16 * i, 1);
      init_barrier(barriers + 16 * i + 8, readers);
    }
    fence_barriers();
  }
  __device__ uint32_t full() const { return barriers + 16 * stage; }
  __device__ void wait_until_full() const { wait(full(), parity); }
  __device__ void wait_until_empty() const { wait(full() + 8, parity ^ 1); }
  __device__ void give_back() const { arrive(full() + 8); }
  __device__ void next() {
    if (++stage == stages) stage = 0, parity ^= 1;
  }
};

// Barrier `id`, 1 to 15, of `threads` threads of the block, a multiple of 32.
template <int threads>
__device__ void sync_threads(int id) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "n"(threads) : "memory");
}

// Counts for `threads` of barrier `id`, and goes on.
template <int threads>
__device__ void notify_threads(int id) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "n"(threads) : "memory");
}

// Shared memory that threads have written becomes visible to wgmma and bulk copies.
__device__ inline void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Changes the registers of each thread of a warpgroup, a multiple of 8.
template <int registers>
__device__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
__device__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}

// Before the first product that uses registers which threads have written.
__device__ inline void fence_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ inline void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Waits for all but the latest `pending` groups of the warpgroup.
template <int pending>
__device__ void wait_for_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

// Operands. Distances are in units of 16 bytes; 1 << 62 is the swizzle.
//
// Rows of a slice, whose columns are added up. 16 columns on are 32 bytes on.
__device__ inline uint64_t along_rows(uint32_t slice) {
  return slice >> 4 | uint64_t{1} << 16 | uint64_t{kSwizzleBytes >> 4} << 32 | uint64_t{1} << 62;
}
// Columns of slices that are `apart` bytes from each other; rows are added up. 16 rows on are
// 2048 bytes on.
__device__ inline uint64_t along_columns(uint32_t slice, uint32_t apart) {
  return slice >> 4 | uint64_t{apart >> 4} << 16 | uint64_t{kSwizzleBytes >> 4} << 32 |
         uint64_t{1} << 62;
}

// Sums of products that have been waited for: the compiler may read them from here on.
template <int tiles>
__device__ void settle(float (&sum)[tiles][4]) {
#pragma unroll
  for (int n = 0; n < tiles; ++n) {
#pragma unroll
    for (int r = 0; r < 4; ++r) asm volatile("" : "+f"(sum[n][r])::"memory");
  }
}

// Products of a warpgroup: 64 x 16 times 16 x 8·(size of sum). Warp w has rows 16w to 16w + 15, and
// of them sum[n] is a 16 x 8, and x a left operand, as of mma.sync (tensor_core.cuh). The first
// product of a sum overwrites it: keep is false.

// clang-format off
#define SUMS_2(n) \
  "+f"(sum[n][0]), "+f"(sum[n][1]), "+f"(sum[n][2]), "+f"(sum[n][3]), \
  "+f"(sum[n + 1][0]), "+f"(sum[n + 1][1]), "+f"(sum[n + 1][2]), "+f"(sum[n + 1][3])
#define SUMS_8 SUMS_2(0), SUMS_2(2), SUMS_2(4), SUMS_2(6)
#define SUMS_16 SUMS_8, SUMS_2(8), SUMS_2(10), SUMS_2(12), SUMS_2(14)
#define REGISTERS_32 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define REGISTERS_64 \
  REGISTERS_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define WGMMA(kind, registers, operands, keeps, transposed, sums, ...) \
  asm volatile("{ .reg .pred p; setp.ne.b32 p, " keeps ", 0; wgmma.mma_async.sync.aligned." kind " {" \
               registers "}, " operands ", p, 1, 1, " transposed "; }" : sums : __VA_ARGS__)

// Both operands along_rows.
template <bool half>
__device__ void multiply_rows(float (&sum)[16][4], uint64_t a, uint64_t b, int keep) {
  if constexpr (half) {
    WGMMA("m64n128k16.f32.f16.f16", REGISTERS_64, "%64, %65", "%66", "0, 0", SUMS_16, "l"(a), "l"(b), "r"(keep));
  } else {
    WGMMA("m64n128k16.f32.bf16.bf16", REGISTERS_64, "%64, %65", "%66", "0, 0", SUMS_16, "l"(a), "l"(b), "r"(keep));
  }
}
template <bool half>
__device__ void multiply_rows(float (&sum)[8][4], uint64_t a, uint64_t b, int keep) {
  if constexpr (half) {
    WGMMA("m64n64k16.f32.f16.f16", REGISTERS_32, "%32, %33", "%34", "0, 0", SUMS_8, "l"(a), "l"(b), "r"(keep));
  } else {
    WGMMA("m64n64k16.f32.bf16.bf16", REGISTERS_32, "%32, %33", "%34", "0, 0", SUMS_8, "l"(a), "l"(b), "r"(keep));
  }
}

// bfloat16, the left operand in registers, the right one along_columns.
__device__ inline void multiply_columns(float (&sum)[16][4], const uint32_t (&x)[4], uint64_t b, int keep) {
  WGMMA("m64n128k16.f32.bf16.bf16", REGISTERS_64, "{%64, %65, %66, %67}, %68", "%69", "1", SUMS_16,
        "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "l"(b), "r"(keep));
}
__device__ inline void multiply_columns(float (&sum)[8][4], const uint32_t (&x)[4], uint64_t b, int keep) {
  WGMMA("m64n64k16.f32.bf16.bf16", REGISTERS_32, "{%32, %33, %34, %35}, %36", "%37", "1", SUMS_8,
        "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "l"(b), "r"(keep));
}

#undef SUMS_2
#undef SUMS_8
#undef SUMS_16
#undef REGISTERS_32
#undef REGISTERS_64
#undef WGMMA
// clang-format on

}  // namespace simclr_bench
