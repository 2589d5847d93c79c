// What the .cu files share: element conversion, sums over a warp or a block of threads along fixed
// trees, so that results are bitwise repeatable, and launches with much shared memory.

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

// Combines one value per lane into all lanes' result.
template <typename value_t, typename Combine>
__device__ value_t warp_reduce(value_t value, Combine combine) {
  for (int lanes = 16; lanes > 0; lanes /= 2)
    value = combine(value, __shfl_xor_sync(0xffffffff, value, lanes));
  return value;
}

template <typename value_t>
__device__ value_t warp_sum(value_t value) {
  return warp_reduce(value, [](value_t a, value_t b) { return a + b; });
}

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

// Enqueues a kernel. `bytes` of shared memory beside what it declares, which may be more than the
// 48 KiB that need no leave.
template <typename... Parameters, typename... Arguments>
cudaError_t launch_with_memory(void (*kernel)(Parameters...), dim3 grid, int threads, int64_t bytes,
                               cudaStream_t stream, Arguments... arguments) {
  const cudaError_t error = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (error != cudaSuccess) return error;
  kernel<<<grid, threads, static_cast<size_t>(bytes), stream>>>(arguments...);
  return cudaGetLastError();
}

}  // namespace simclr_bench
