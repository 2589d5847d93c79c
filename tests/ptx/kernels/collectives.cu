// What the threads of a warp or of a block do together; one block each.

#include <cuda_runtime.h>

#include <cstdint>

__device__ int thread() { return static_cast<int>(threadIdx.x); }

// Every kind of shuffle, in segments of `width` lanes: out [4, threads].
template <int width>
__global__ void shuffles(const int* x, int by, int* out) {
  const int value = x[thread()];
  const int n = static_cast<int>(blockDim.x);
  out[thread()] = __shfl_up_sync(0xffffffff, value, by, width);
  out[n + thread()] = __shfl_down_sync(0xffffffff, value, by, width);
  out[2 * n + thread()] = __shfl_xor_sync(0xffffffff, value, by, width);
  out[3 * n + thread()] = __shfl_sync(0xffffffff, value, by, width);
}

// Votes and reductions of the lanes in `mask`; the others go on at once. out [9, 32]
__global__ void votes(const int* x, unsigned mask, unsigned* out) {
  const int lane = thread();
  if (!(mask >> lane & 1)) return;
  const int value = x[lane];
  out[lane] = __ballot_sync(mask, value > 0);
  out[32 + lane] = __any_sync(mask, value > 2);
  out[64 + lane] = __all_sync(mask, value > 0);
  out[96 + lane] = __reduce_add_sync(mask, value);
  out[128 + lane] = __reduce_min_sync(mask, value);
  out[160 + lane] = __reduce_max_sync(mask, static_cast<unsigned>(value));
  out[192 + lane] = __reduce_xor_sync(mask, static_cast<unsigned>(value));
  out[224 + lane] = __reduce_or_sync(mask, static_cast<unsigned>(value));
  out[256 + lane] = __reduce_and_sync(mask, static_cast<unsigned>(value));
}

// Each half of a warp shuffles within itself, one after more work than the other.
__global__ void halves(const int* x, int* out) {
  int sum = x[thread()];
  if (thread() % 32 < 16) {
    for (int offset = 8; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffff, sum, offset);
  } else {
    for (int offset = 8; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffff0000, sum, offset);
    sum = -sum;
  }
  __syncwarp();
  out[thread()] = sum;
}

// Lanes 16 and up return; the others still name them in their mask. The result of a shuffle from a
// lane that has returned is undefined.
__global__ void after_return(const int* x, int offset, int* out) {
  if (thread() >= 16) return;
  out[thread()] = __shfl_xor_sync(0xffffffff, x[thread()], offset);
}

__global__ void outside_its_mask(const int* x, int* out) {
  out[thread()] = __shfl_xor_sync(0x0000fffe, x[thread()], 1);
}

// out [4, threads]: threads that say yes, whether all do, whether any does; then whether threads of
// a later barrier that half of the block takes part in have all been seen.
__global__ void barriers(const int* x, int* out) {
  __shared__ int seen[64];
  const int n = static_cast<int>(blockDim.x);
  const int yes = x[thread()] > 0;
  out[thread()] = __syncthreads_count(yes);
  out[n + thread()] = __syncthreads_and(yes);
  out[2 * n + thread()] = __syncthreads_or(yes);
  seen[thread() % 64] = -1;
  __syncthreads();
  if (thread() < 64) {
    seen[thread()] = thread();
    asm volatile("bar.sync 3, 64;" ::: "memory");
    out[3 * n + thread()] = seen[63 - thread()];
  }
}

// The first warp makes a number that the second one uses; it does not wait itself.
__global__ void producer(const int* x, int* out) {
  __shared__ int box;
  if (thread() < 32) {
    if (thread() == 0) box = x[0];
    __threadfence_block();
    asm volatile("bar.arrive 1, 64;" ::: "memory");
  } else {
    asm volatile("bar.sync 1, 64;" ::: "memory");
    out[thread() - 32] = box;
  }
}

extern "C" cudaError_t run_shuffles(int width, const int* x, int by, int* out) {
  if (width == 32) shuffles<32><<<1, 64>>>(x, by, out);
  if (width == 16) shuffles<16><<<1, 64>>>(x, by, out);
  if (width == 4) shuffles<4><<<1, 64>>>(x, by, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_votes(const int* x, unsigned mask, unsigned* out) {
  votes<<<1, 32>>>(x, mask, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_halves(const int* x, int* out) {
  halves<<<1, 64>>>(x, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_after_return(const int* x, int offset, int* out) {
  after_return<<<1, 32>>>(x, offset, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_outside_its_mask(const int* x, int* out) {
  outside_its_mask<<<1, 32>>>(x, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_barriers(const int* x, int threads, int* out) {
  barriers<<<1, threads>>>(x, out);
  return cudaGetLastError();
}

extern "C" cudaError_t run_producer(const int* x, int* out) {
  producer<<<1, 64>>>(x, out);
  return cudaGetLastError();
}
