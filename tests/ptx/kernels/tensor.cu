// A product of matrices as kernels for tensor cores are made: tiles come by cp.async into two
// buffers, fragments by ldmatrix, sums by mma.sync; with bugs of its own.
//
//   in    a [16, n], b [8, n] (transposed: b [n, 8]), 16-bit elements, n a multiple of 16
//   out   d [16, 8] = a·bᵀ in float32

#include <cuda_runtime.h>

#include <cstdint>

enum Bug : int32_t { kNone, kNoWait, kWaitsForTooFew, kFragmentsSwapped, kNoBarrier, kBugs };

constexpr int kDepth = 16;

__device__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ void copy_async(void* to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(bytes));
}

struct Tile {
  uint16_t a[16][kDepth];
  uint16_t b[8 * kDepth];
};

// 48 copies of 16 bytes; thread t makes those for rows t.
__device__ void fetch(Tile& tile, const uint16_t* a, const uint16_t* b, int n, int k,
                      bool transposed) {
  const int t = static_cast<int>(threadIdx.x);
  if (k < n) {
    copy_async(&tile.a[t / 2][8 * (t % 2)], a + t / 2 * n + k + 8 * (t % 2), 16);
    if (t < 16) {
      copy_async(&tile.b[8 * t], transposed ? b + (k + t) * 8 : b + t / 2 * n + k + 8 * (t % 2),
                 16);
    }
  }
  asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int bug, bool transposed, bool half>
__global__ void product(const uint16_t* a, const uint16_t* b, int n, float* d) {
  __shared__ __align__(16) Tile tiles[2];
  const int t = static_cast<int>(threadIdx.x);
  float sum[4] = {};
  fetch(tiles[0], a, b, n, 0, transposed);
  for (int k = 0; k < n; k += kDepth) {
    const Tile& tile = tiles[k / kDepth % 2];
    fetch(tiles[(k / kDepth + 1) % 2], a, b, n, k + kDepth, transposed);
    if (bug == kWaitsForTooFew) {
      asm volatile("cp.async.wait_group 2;" ::: "memory");
    } else if (bug != kNoWait) {
      asm volatile("cp.async.wait_group 1;" ::: "memory");
    }
    if (bug != kNoBarrier) __syncthreads();
    uint32_t x[4];
    uint32_t y[2];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(shared_address(&tile.a[t % 16][8 * (t / 16)])));
    if (transposed) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                   : "=r"(y[0]), "=r"(y[1])
                   : "r"(shared_address(&tile.b[8 * (t % 16)])));
    } else {
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                   : "=r"(y[0]), "=r"(y[1])
                   : "r"(shared_address(&tile.b[t % 8 * kDepth + 8 * (t / 8 % 2)])));
    }
    if (bug == kFragmentsSwapped) {
      const uint32_t first = y[0];
      y[0] = y[1];
      y[1] = first;
    }
    if (half) {
      asm volatile(
          "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
          "{%8, %9}, {%0, %1, %2, %3};"
          : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
          : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    } else {
      asm volatile(
          "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
          "{%8, %9}, {%0, %1, %2, %3};"
          : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
          : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    }
    __syncthreads();
  }
  for (int r = 0; r < 4; ++r) d[(t / 4 + 8 * (r / 2)) * 8 + t % 4 * 2 + r % 2] = sum[r];
}

// One product of each shape from registers as they come: a [32, 4], b [32, 2] -> d [32, 4].
template <int shape>
__global__ void registers(const uint32_t* a, const uint32_t* b, float* d) {
  a += 4 * threadIdx.x;
  b += 2 * threadIdx.x;
  d += 4 * threadIdx.x;
  if (shape == 0) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(b[0]));
  }
}

template <int bug>
void launch(int wanted, bool transposed, bool half, const uint16_t* a, const uint16_t* b, int n,
            float* d) {
  if constexpr (bug < kBugs) {
    if (bug != wanted) return launch<bug + 1>(wanted, transposed, half, a, b, n, d);
    const auto kernel = transposed ? half ? product<bug, true, true> : product<bug, true, false>
                        : half ? product<bug, false, true>
                                   : product<bug, false, false>;
    kernel<<<1, 32>>>(a, b, n, d);
  }
}

extern "C" cudaError_t run_product(int32_t bug, bool transposed, bool half, const uint16_t* a,
                                   const uint16_t* b, int32_t n, float* d) {
  launch<kNone>(bug, transposed, half, a, b, n, d);
  return cudaGetLastError();
}

extern "C" cudaError_t run_registers(bool tf32, const uint32_t* a, const uint32_t* b, float* d) {
  if (tf32) {
    registers<0><<<1, 32>>>(a, b, d);
  } else {
    registers<1><<<1, 32>>>(a, b, d);
  }
  return cudaGetLastError();
}
