// A small kernel as ours are made, and the bugs that such kernels have, one by one.
//
//   in    x [n]
//   out   out [64]: out[t] = Σ over tiles of 64 numbers, Σ_s (s + 1)·tile[(t + s) % 64];
//         total: the sum of all x, and 0 before; first: out of the first warp, added up
//
// Tiles go through shared memory of 64 floats; what is beyond n counts as 0.

#include <cuda_runtime.h>

#include <cstdint>

constexpr int kThreads = 64;
constexpr unsigned kAllLanes = 0xffffffff;

enum Bug : int32_t {
  kNone,
  kNoBarrierAfterWriting,
  kNoBarrierBeforeWriting,
  kUnwrittenShared,
  kShuffleUnderDivergence,
  kBarrierUnderDivergence,
  kSharedTooSmall,
  kTooManyForBarrier,
  kUpdateIsNotAtomic,
  kMisaligned,
  kReadsPastTheEnd,
  kBlocksRace,
  kBugs,
};

template <int bug>
__global__ void __launch_bounds__(kThreads)
    tiles(const float* x, int64_t n, float* out, float* total, float* first) {
  extern __shared__ float tile[];
  const int t = threadIdx.x;
  float sum = 0;
  for (int64_t begin = 0; begin < n; begin += kThreads) {
    const bool inside = begin + t < n;
    float mine = 0;
    if (bug == kReadsPastTheEnd) {
      // volatile: nvcc must not move the load to where it is needed.
      const float read = static_cast<const volatile float*>(x)[begin + t];
      mine = inside ? read : 0.0f;
    } else if (inside) {
      mine = x[begin + t];
    }
    if (bug != kUnwrittenShared || t < kThreads - 1) tile[t] = mine;
    if (bug == kUpdateIsNotAtomic) {
      *total = *total + mine;
    } else if (blockIdx.x == 0) {
      atomicAdd(total, mine);
    }
    if (bug != kNoBarrierAfterWriting && (bug != kBarrierUnderDivergence || inside)) {
      __syncthreads();
    }
    for (int s = 0; s < kThreads; ++s) sum += static_cast<float>(s + 1) * tile[(t + s) % kThreads];
    if (bug != kNoBarrierBeforeWriting) __syncthreads();
  }
  out[t] = sum;
  if (bug == kMisaligned) *reinterpret_cast<float2*>(out + 1) = make_float2(sum, sum);
  if (bug == kTooManyForBarrier && t < 32) asm volatile("bar.sync 1, 64;" ::: "memory");
  for (int offset = 16; offset > 0; offset /= 2) {
    if (bug != kShuffleUnderDivergence || t % 32 < offset) {
      sum += __shfl_down_sync(kAllLanes, sum, offset);
    }
  }
  if (t == 0) *first = sum;
}

template <int bug>
void launch(int wanted, const float* x, int64_t n, float* out, float* total, float* first) {
  if constexpr (bug < kBugs) {
    if (bug != wanted) return launch<bug + 1>(wanted, x, n, out, total, first);
    const int bytes = kThreads * sizeof(float) - (bug == kSharedTooSmall ? 16 : 0);
    // Two blocks write the same to the same place.
    tiles<bug><<<bug == kBlocksRace ? 2 : 1, kThreads, bytes>>>(x, n, out, total, first);
  }
}

extern "C" cudaError_t planted(int32_t bug, const float* x, int64_t n, float* out, float* total,
                               float* first) {
  launch<kNone>(bug, x, n, out, total, first);
  return cudaGetLastError();
}
