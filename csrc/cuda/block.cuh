// What both .cu files need: element conversion, sums over a block of threads, and softmax sums.
//
// After logits x_1..x_n at inverse temperature k, a SoftmaxSum holds m = max x_i and
// s = Σ exp((x_i - m)·k); empty: m = -inf, s = 0. Any two of them merge, in any order of nesting;
// the order used here is fixed, so that results are bitwise repeatable.

#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstdint>

namespace simclr_bench {

// 256 threads: a power of two for the trees below, and eight blocks fill a multiprocessor.
constexpr int kThreads = 256;

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename element_t>
__device__ element_t from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

struct SoftmaxSum {
  float m = -INFINITY;
  float s = 0;

  // A NaN fails the comparison and reaches s through the exponential.
  __device__ void add(float x, float k) {
    if (x > m) {
      s = s * expf((m - x) * k) + 1;
      m = x;
    } else {
      s += expf((x - m) * k);
    }
  }

  __device__ void merge(const SoftmaxSum& other, float k) {
    const float top = fmaxf(m, other.m);
    if (top == -INFINITY) {  // both empty, or NaN: (-inf) - (-inf) would be NaN
      s += other.s;
      return;
    }
    s = s * expf((m - top) * k) + other.s * expf((other.m - top) * k);
    m = top;
  }
};

// Combines one value per thread into all threads' result, along a fixed tree.
template <typename value_t, typename Combine>
__device__ value_t block_reduce(value_t value, Combine combine) {
  __shared__ value_t values[kThreads];
  values[threadIdx.x] = value;
  __syncthreads();
  for (int width = kThreads / 2; width > 0; width /= 2) {
    if (threadIdx.x < width) {
      values[threadIdx.x] = combine(values[threadIdx.x], values[threadIdx.x + width]);
    }
    __syncthreads();
  }
  const value_t result = values[0];
  __syncthreads();  // the next call writes to the same memory
  return result;
}

__device__ inline float block_sum(float value) {
  return block_reduce(value, [](float a, float b) { return a + b; });
}

}  // namespace simclr_bench
