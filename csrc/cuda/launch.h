// What the registering .cpp files share: the element code of a dtype, and the error of a launch.

#pragma once

#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

#include "launchers.h"

namespace simclr_bench {

inline SimclrBenchElement element_of(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kHalf) return kSimclrBenchFloat16;
  if (tensor.scalar_type() == at::kBFloat16) return kSimclrBenchBFloat16;
  return kSimclrBenchFloat32;
}

inline void check_launch(const char* op, cudaError_t error) {
  TORCH_CHECK(error == cudaSuccess, op, ": CUDA launch failed: ", cudaGetErrorString(error));
}

// The number of blocks along a grid's first axis.
inline void check_rows(const char* op, int64_t rows) {
  TORCH_CHECK(rows <= 2147483647, op, ": at most 2147483647 rows on CUDA, got ", rows);
}

}  // namespace simclr_bench
