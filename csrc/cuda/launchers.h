// What the .cu files offer to the .cpp beside them: plain C functions over device pointers that
// enqueue kernels on a stream and return the first error. Contiguous row-major arrays; sizes of at
// least 1. No torch here, and nothing is allocated here: workspaces come from the caller.

#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

enum SimclrBenchElement : int32_t {
  kSimclrBenchFloat32 = 0,
  kSimclrBenchFloat16 = 1,
  kSimclrBenchBFloat16 = 2,
};

extern "C" {

// rows, columns: [N, D] and [D, N], the normalized rows and their transpose; norms: [N].
cudaError_t simclr_bench_unit_rows(const void* z0, const void* z1, SimclrBenchElement element,
                                   int64_t pairs, int64_t dim, bool normalize, float* rows,
                                   float* columns, float* norms, cudaStream_t stream);

// loss [N], statistics [3, N], from what simclr_bench_unit_rows wrote.
cudaError_t simclr_bench_nt_xent_forward(const float* rows, const float* columns, int64_t pairs,
                                         int64_t dim, double temperature, float* loss,
                                         double* statistics, cudaStream_t stream);

// grad [N] -> grad_z0, grad_z1 [B, D]. Workspaces: coefficients [2, N], grad_rows [N, D].
cudaError_t simclr_bench_nt_xent_backward(const float* grad, const float* rows,
                                          const float* columns, const float* norms,
                                          const double* statistics, int64_t pairs, int64_t dim,
                                          double temperature, bool normalize, float* coefficients,
                                          float* grad_rows, SimclrBenchElement element,
                                          void* grad_z0, void* grad_z1, cudaStream_t stream);

// loss [B], statistics [4, B].
cudaError_t simclr_bench_distillation_forward(const void* student, const void* teacher,
                                              SimclrBenchElement element, int64_t rows,
                                              int64_t classes, double temperature, float* loss,
                                              double* statistics, cudaStream_t stream);

// grad [B] -> grad_student [B, C].
cudaError_t simclr_bench_distillation_backward(const float* grad, const void* student,
                                               const void* teacher, const double* statistics,
                                               SimclrBenchElement element, int64_t rows,
                                               int64_t classes, double temperature,
                                               void* grad_student, cudaStream_t stream);
}
