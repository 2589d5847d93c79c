// Loads and stores of all widths, the address spaces, and atomic operations.

#include <cuda_runtime.h>

#include <cstdint>

// Reverses 16 numbers: loaded as four vectors of four, stored as eight of two, from the end.
__global__ void vectors(const float4* x, float2* out) {
  const float4 v = x[threadIdx.x];
  out[2 * (3 - threadIdx.x) + 1] = make_float2(v.y, v.x);
  out[2 * (3 - threadIdx.x)] = make_float2(v.w, v.z);
}

// Bytes with and without sign, and halves of words, through global and shared memory.
__global__ void narrow(const int8_t* bytes, const uint8_t* unsigned_bytes, const int16_t* words,
                       int* out, int8_t* low) {
  __shared__ int16_t shared[64];
  const unsigned t = threadIdx.x;
  shared[63 - t] = words[t];
  __syncthreads();
  out[t] = bytes[t];
  out[64 + t] = unsigned_bytes[t];
  out[128 + t] = shared[t];
  low[t] = static_cast<int8_t>(words[t]);
}

// A table in local memory, since its index is known at run time only.
__global__ void local(const int* x, int* out) {
  int table[8];
  for (int i = 0; i < 8; ++i) table[i] = x[threadIdx.x * 8 + i];
  for (int i = 0; i < 8; ++i) table[x[threadIdx.x * 8 + i] & 7] += i;
  int sum = 0;
  for (int i = 0; i < 8; ++i) sum = sum * 31 + table[(i + x[0]) & 7];
  out[threadIdx.x] = sum;
}

// A pointer that may lead to shared or to global memory.
__global__ void generic(const int* x, int choice, int* out) {
  __shared__ int shared[32];
  shared[threadIdx.x] = -x[threadIdx.x];
  __syncthreads();
  const int* from = choice ? shared : x;
  asm volatile("ld.s32 %0, [%1];" : "=r"(out[threadIdx.x]) : "l"(from + (31 - threadIdx.x)));
}

// out [8]: what all threads make of it together; old [threads]: tickets.
__global__ void atomics(const int* x, unsigned* out, float* sum, double* large, unsigned* old) {
  __shared__ unsigned shared;
  if (threadIdx.x == 0) shared = 0;
  __syncthreads();
  const int value = x[blockIdx.x * blockDim.x + threadIdx.x];
  const unsigned bits = static_cast<unsigned>(value);
  atomicAdd(out, bits);
  atomicMax(reinterpret_cast<int*>(out + 1), value);
  atomicMin(out + 2, bits);
  atomicOr(out + 3, bits);
  atomicAnd(out + 4, bits | 1);
  atomicXor(out + 5, bits);
  atomicInc(out + 6, 10);
  unsigned seen = out[7];
  for (unsigned expected = ~seen; expected != seen;) {
    expected = seen;
    seen = atomicCAS(out + 7, expected, expected * 3 + 1);
  }
  atomicAdd(sum, static_cast<float>(value));
  atomicAdd(large, static_cast<double>(value));
  old[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(&shared, 1u);
}

__global__ void __launch_bounds__(64) dynamic(const int* x, int n, int* out) {
  extern __shared__ int memory[];
  for (int i = threadIdx.x; i < n; i += blockDim.x) memory[i] = x[i % 64];
  __syncthreads();
  for (int i = threadIdx.x; i < 64; i += blockDim.x) out[i] = memory[n - 1 - i];
}

extern "C" cudaError_t run_vectors(const float4* x, float2* out) {
  vectors<<<1, 4>>>(x, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_narrow(const int8_t* bytes, const uint8_t* unsigned_bytes,
                                  const int16_t* words, int* out, int8_t* low) {
  narrow<<<1, 64>>>(bytes, unsigned_bytes, words, out, low);
  return cudaGetLastError();
}

extern "C" cudaError_t run_local(const int* x, int* out) {
  local<<<1, 32>>>(x, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_generic(const int* x, int choice, int* out) {
  generic<<<1, 32>>>(x, choice, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_atomics(const int* x, unsigned* out, float* sum, double* large,
                                   unsigned* old) {
  atomics<<<3, 50>>>(x, out, sum, large, old);
  return cudaGetLastError();
}

// attribute: what cudaFuncSetAttribute is told first, if not negative.
extern "C" cudaError_t run_dynamic(const int* x, int n, int bytes, int threads, int attribute,
                                   int* out) {
  if (attribute >= 0) {
    if (const cudaError_t error =
            cudaFuncSetAttribute(dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, attribute)) {
      return error;
    }
  }
  dynamic<<<1, threads, bytes>>>(x, n, out);
  return cudaGetLastError();
}
