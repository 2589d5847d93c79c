// mbarrier, bulk copies, setmaxnreg, elect.sync; one block each.

#include "hopper.cuh"

// Loads a box, writes shared memory as it is to `image`, and stores the box to `copy`.
__global__ void __launch_bounds__(32)
    box(const __grid_constant__ CUtensorMap from, const __grid_constant__ CUtensorMap to,
        int column, int row, uint32_t bytes, unsigned char* image) {
  extern __shared__ __align__(1024) unsigned char memory[];
  __shared__ uint64_t full;
  if (threadIdx.x == 0) barrier_init(&full, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    barrier_expect(&full, bytes);
    load_box(memory, &from, column, row, &full);
  }
  barrier_wait(&full, 0);
  for (uint32_t i = threadIdx.x; i < bytes; i += 32) image[i] = memory[i];
  if (threadIdx.x == 0) {
    store_box(&to, column, row, memory);
    wait_for_stores();
  }
}

// Adds 1 to numbers that bulk copies bring and take away, 32 at a time. Threads arrive each for
// itself; phases follow each other.
template <bool fenced>
__global__ void __launch_bounds__(32) rows(const int* x, int n, int* out) {
  __shared__ __align__(16) int numbers[32];
  __shared__ uint64_t full, empty;
  if (threadIdx.x == 0) {
    barrier_init(&full, 1);
    barrier_init(&empty, 32);
  }
  __syncthreads();
  for (int i = 0; i < n / 32; ++i) {
    if (threadIdx.x == 0) {
      barrier_expect(&full, sizeof numbers);
      load_row(numbers, x + 32 * i, sizeof numbers, &full);
    }
    barrier_wait(&full, i % 2);
    ++numbers[threadIdx.x];
    if (fenced) fence_async_proxy();
    const uint64_t state = barrier_arrive_in(&empty);
    while (!barrier_has_ended(&empty, state)) {
    }
    if (threadIdx.x == 0) {
      store_row(out + 32 * i, numbers, sizeof numbers);
      wait_for_stores();
    }
    __syncthreads();
  }
}

// Warps 0 to 3 give registers back that warps 4 to 11 take. 384 threads have 168 each.
template <int more>
__global__ void __launch_bounds__(384, 1) registers(uint32_t* out) {
  if (threadIdx.x < 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(more));
  }
  uint32_t chosen;
  asm volatile("{ .reg .pred p; elect.sync _|p, 0xffffffff; selp.u32 %0, 1, 0, p; }"
               : "=r"(chosen));
  out[threadIdx.x] = chosen;
}

enum Misuse : int32_t {
  kNotInitialised,
  kTooManyArrivals,
  kOneTry,
  kNeverFull,
  kWrittenOver,
  kCopyNotAwaited,
  kInitialisedTwice,
};

__global__ void __launch_bounds__(32) misuse(int32_t which, const int* x, int* out) {
  __shared__ __align__(16) int numbers[32];
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) {
    if (which != kNotInitialised) barrier_init(&barrier, 1);
    if (which == kInitialisedTwice) barrier_init(&barrier, 1);
    if (which == kWrittenOver) barrier = 1;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    barrier_expect(&barrier, which == kNeverFull ? 256 : sizeof numbers);
    if (which == kTooManyArrivals) barrier_arrive(&barrier);
    load_row(numbers, x, sizeof numbers, &barrier);
  }
  if (which == kCopyNotAwaited) return;
  if (which == kOneTry) {
    barrier_try(&barrier, 0);
  } else {
    barrier_wait(&barrier, 0);
  }
  out[threadIdx.x] = numbers[threadIdx.x];
}

extern "C" cudaError_t run_box(int halves, void* matrix, void* copy, int64_t columns, int64_t rows,
                               int64_t pitch, int box_columns, int box_rows, int swizzle, int fill,
                               int column, int row, unsigned char* image) {
  const auto type = halves ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  CUtensorMap from, to;
  if (!make_map(&from, type, matrix, columns, rows, pitch, box_columns, box_rows, swizzle, fill) ||
      !make_map(&to, type, copy, columns, rows, pitch, box_columns, box_rows, swizzle, fill)) {
    return cudaErrorInvalidValue;
  }
  const uint32_t bytes = box_columns * box_rows * (halves ? 2 : 4);
  box<<<1, 32, bytes>>>(from, to, column, row, bytes, image);
  return cudaGetLastError();
}

extern "C" cudaError_t run_rows(bool fenced, const int* x, int n, int* out) {
  if (fenced) {
    rows<true><<<1, 32>>>(x, n, out);
  } else {
    rows<false><<<1, 32>>>(x, n, out);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t run_registers(bool too_many, uint32_t* out) {
  if (too_many) {
    registers<240><<<1, 384>>>(out);
  } else {
    registers<232><<<1, 384>>>(out);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t run_misuse(int32_t which, const int* x, int* out) {
  misuse<<<1, 32>>>(which, x, out);
  return cudaGetLastError();
}
