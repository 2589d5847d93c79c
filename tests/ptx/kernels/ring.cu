// A product as kernels for Hopper are made: a producer warp brings tiles of B by TMA into a ring of
// two buffers, a warpgroup writes tiles of A itself and multiplies with wgmma; with bugs of its
// own.
//
//   in    a, b [64, n] bfloat16, n a multiple of 64
//   out   d [64, 64] = a·bᵀ in float32

#include "hopper.cuh"

enum Bug : int32_t {
  kNone,
  kProducerDoesNotWait,
  kWrongBytes,
  kWrongAdvance,
  kGivenBackEarly,
  kOverwritten,
  kNoProxyFence,
  kEarlyProxyFence,
  kNoProductsFence,
  kNotAwaited,
  kThreeWarps,
  kSharedTooSmall,
  kBugs,
};

constexpr int kStages = 2;
constexpr int kTileBytes = 64 * 128;

struct Memory {
  unsigned char a[kTileBytes];
  unsigned char b[kStages][kTileBytes];
  uint64_t full[kStages], empty[kStages];
};

__device__ uint64_t descriptor(const void* tile, int bytes) {
  const uint64_t start = (shared_address(tile) + bytes) >> 4;
  return start | uint64_t{1} << 16 | uint64_t{64} << 32 | uint64_t{1} << 62;
}

// clang-format off
#define REGISTERS_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define REGISTERS_16(d, i) REGISTERS_4(d, i), REGISTERS_4(d, i + 4), REGISTERS_4(d, i + 8), REGISTERS_4(d, i + 12)
__device__ void multiply(float (&d)[32], uint64_t a, uint64_t b, int accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, "
      "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, 0, 0; }"
      : REGISTERS_16(d, 0), REGISTERS_16(d, 16)
      : "l"(a), "l"(b), "r"(accumulate));
}
// clang-format on

template <int bug>
__device__ void produce(Memory& memory, const CUtensorMap* map, int tiles) {
  for (int i = 0; i < tiles; ++i) {
    const int stage = i % kStages;
    if (bug != kProducerDoesNotWait) barrier_wait(&memory.empty[stage], (i / kStages & 1) ^ 1);
    barrier_expect(&memory.full[stage], bug == kWrongBytes ? kTileBytes / 2 : kTileBytes);
    load_box(memory.b[stage], map, 64 * i, 0, &memory.full[stage]);
  }
}

// Half a row of a tile for each thread, its pieces where the swizzle of 128 bytes has them.
__device__ void write_tile(unsigned char* tile, const uint16_t* a, int n, int k) {
  const int row = static_cast<int>(threadIdx.x) / 2;
  for (int i = 0; i < 4; ++i) {
    const int piece = static_cast<int>(threadIdx.x) % 2 * 4 + i;
    *reinterpret_cast<uint4*>(tile + 128 * row + 16 * (piece ^ row % 8)) =
        *reinterpret_cast<const uint4*>(a + row * n + k + 8 * piece);
  }
}

template <int bug>
__device__ void consume(Memory& memory, const uint16_t* a, int n, float* d) {
  float sum[32];
  for (int i = 0; i < n / 64; ++i) {
    const int stage = i % kStages;
    if (bug == kEarlyProxyFence) fence_async_proxy();
    write_tile(memory.a, a, n, 64 * i);
    if (bug != kNoProxyFence && bug != kEarlyProxyFence) fence_async_proxy();
    asm volatile("bar.sync 1, 128;" ::: "memory");
    barrier_wait(&memory.full[stage], i / kStages & 1);
    if (bug == kGivenBackEarly && threadIdx.x % 32 == 0) barrier_arrive(&memory.empty[stage]);
    if (bug != kThreeWarps || i > 0 || threadIdx.x < 96) {
      if (bug != kNoProductsFence) products_fence();
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        multiply(sum, descriptor(memory.a, 32 * k),
                 descriptor(memory.b[stage], (bug == kWrongAdvance ? 16 : 32) * k), i > 0 || k > 0);
      }
      products_commit();
      if (bug == kOverwritten) {
        products_wait<1>();
      } else if (bug != kNotAwaited) {
        products_wait<0>();
      }
    }
    __syncwarp();
    if (bug != kGivenBackEarly && threadIdx.x % 32 == 0) barrier_arrive(&memory.empty[stage]);
    asm volatile("bar.sync 1, 128;" ::: "memory");
  }
  if (bug == kOverwritten) products_wait<0>();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  for (int i = 0; i < 32; ++i) {
    const int row = 16 * warp + lane / 4 + 8 * (i / 2 % 2);
    d[64 * row + 8 * (i / 4) + lane % 4 * 2 + i % 2] = sum[i];
  }
}

template <int bug>
__global__ void __launch_bounds__(160)
    ring(const __grid_constant__ CUtensorMap map, const uint16_t* a, int n, float* d) {
  extern __shared__ __align__(1024) unsigned char raw[];
  Memory& memory = *reinterpret_cast<Memory*>(raw);
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      barrier_init(&memory.full[i], 1);
      barrier_init(&memory.empty[i], 4);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    consume<bug>(memory, a, n, d);
  } else if (threadIdx.x == 128) {
    produce<bug>(memory, &map, n / 64);
  }
}

template <int bug>
cudaError_t launch(int wanted, const CUtensorMap& map, const uint16_t* a, int n, float* d) {
  if constexpr (bug < kBugs) {
    if (bug != wanted) return launch<bug + 1>(wanted, map, a, n, d);
    const int bytes = sizeof(Memory) - (bug == kSharedTooSmall ? 16 : 0);
    ring<bug><<<1, 160, bytes>>>(map, a, n, d);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t run_ring(int32_t bug, const uint16_t* a, void* b, int32_t n, float* d) {
  CUtensorMap map;
  if (!make_map(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, b, n, 64, 2 * n, 64, 64,
                CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE)) {
    return cudaErrorInvalidValue;
  }
  return launch<kNone>(bug, map, a, n, d);
}
