// wgmma in all its forms: operands lie in shared memory as the caller has laid them out.

#include "hopper.cuh"

struct Case {
  uint64_t a, b;  // descriptors, with addresses in the image
  const unsigned char* image;
  int bytes;
  const uint32_t* a_registers;  // [128, 4]
  int accumulate;
};

// clang-format off
#define REGISTERS_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define REGISTERS_16(d, i) REGISTERS_4(d, i), REGISTERS_4(d, i + 4), REGISTERS_4(d, i + 8), REGISTERS_4(d, i + 12)
#define D_32 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"

// Columns of the product, its name, and what follows the descriptors: signs and transpositions.
#define FROM_MEMORY(name, shape, immediates)                                             \
  struct name {                                                                          \
    static __device__ void multiply(const Case& c, float (&d)[32]) {                     \
      asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned." shape \
                   " " D_32 ", %32, %33, p, " immediates "; }"                           \
                   : REGISTERS_16(d, 0), REGISTERS_16(d, 16)                             \
                   : "l"(c.a), "l"(c.b), "r"(c.accumulate));                             \
    }                                                                                    \
  };
#define FROM_REGISTERS(name, shape, immediates)                                          \
  struct name {                                                                          \
    static __device__ void multiply(const Case& c, float (&d)[32]) {                     \
      const uint32_t* a = c.a_registers + 4 * threadIdx.x;                               \
      asm volatile("{ .reg .pred p; setp.ne.b32 p, %37, 0; wgmma.mma_async.sync.aligned." shape \
                   " " D_32 ", {%32, %33, %34, %35}, %36, p, " immediates "; }"          \
                   : REGISTERS_16(d, 0), REGISTERS_16(d, 16)                             \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(c.b), "r"(c.accumulate)); \
    }                                                                                    \
  };

FROM_MEMORY(Straight, "m64n64k16.f32.bf16.bf16", "1, 1, 0, 0")
FROM_MEMORY(Halves, "m64n64k16.f32.f16.f16", "1, -1, 0, 0")
FROM_MEMORY(TransposedB, "m64n64k16.f32.bf16.bf16", "1, 1, 0, 1")
FROM_MEMORY(TransposedBoth, "m64n64k16.f32.bf16.bf16", "-1, 1, 1, 1")
FROM_MEMORY(Tf32, "m64n64k8.f32.tf32.tf32", "1, 1")
FROM_REGISTERS(Registers, "m64n64k16.f32.bf16.bf16", "1, 1, 0")
FROM_REGISTERS(RegistersTf32, "m64n64k8.f32.tf32.tf32", "1, 1")
// clang-format on

struct EightColumns {
  static __device__ void multiply(const Case& c, float (&d)[32]) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, %6, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3}, %4, %5, p, 1, 1, 0, 0; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "l"(c.a), "l"(c.b), "r"(c.accumulate));
  }
};

// The image comes to shared memory; d [128, 32] is what the registers hold.
template <typename form>
__global__ void __launch_bounds__(128) product(Case c, float* d) {
  extern __shared__ __align__(1024) unsigned char memory[];
  for (int i = threadIdx.x; i < c.bytes; i += 128) memory[i] = c.image[i];
  const uint64_t start = shared_address(memory) >> 4;  // devices keep the first kilobyte
  c.a += start;
  c.b += start;
  fence_async_proxy();
  __syncthreads();
  float registers[32];
  for (int i = 0; i < 32; ++i) registers[i] = d[32 * threadIdx.x + i];
  products_fence();
  form::multiply(c, registers);
  products_commit();
  products_wait<0>();
  for (int i = 0; i < 32; ++i) d[32 * threadIdx.x + i] = registers[i];
}

extern "C" cudaError_t run_product(int form, uint64_t a, uint64_t b, const unsigned char* image,
                                   int bytes, const uint32_t* a_registers, int accumulate,
                                   float* d) {
  void (*const kernels[])(Case, float*) = {
      product<Straight>, product<Halves>,    product<TransposedB>,   product<TransposedBoth>,
      product<Tf32>,     product<Registers>, product<RegistersTf32>, product<EightColumns>};
  kernels[form]<<<1, 128, bytes>>>({a, b, image, bytes, a_registers, accumulate}, d);
  return cudaGetLastError();
}
