// Kernels whose machine code has what kernels must not have, one by one.

#include <cuda_runtime.h>

#include <cstdint>

constexpr int kValues = 80;

// Keeps kValues numbers in registers: all are read before the first is used.
__device__ float sum_of_products(const float* x) {
  float values[kValues];
  for (int i = 0; i < kValues; ++i) values[i] = static_cast<const volatile float*>(x)[i];
  float sum = 0;
  for (int i = 0; i < kValues; ++i) sum += values[i] * values[kValues - 1 - i];
  return sum;
}

// More than 64 registers: too many for a block of 1024 threads.
__global__ void many_registers(const float* x, float* out) {
  out[threadIdx.x] = sum_of_products(x + kValues * threadIdx.x);
}

// The same in 32 registers: what does not fit goes to local memory.
__global__ void __launch_bounds__(1024, 2) spills(const float* x, float* out) {
  out[threadIdx.x] = sum_of_products(x + kValues * threadIdx.x);
}

// An array with an index that is not known cannot lie in registers.
__global__ void __launch_bounds__(32) stack_frame(const int* at, int* out) {
  int table[64] = {};
  for (int i = 0; i < 64; ++i) table[at[i] & 63] += i;
  out[threadIdx.x] = table[(at[threadIdx.x] + 1) & 63];
}

extern "C" cudaError_t run_many_registers(const float* x, int threads, float* out) {
  many_registers<<<1, threads>>>(x, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_spills(const float* x, float* out) {
  spills<<<1, 1024>>>(x, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_stack_frame(const int* at, int* out) {
  stack_frame<<<1, 32>>>(at, out);
  return cudaGetLastError();
}
