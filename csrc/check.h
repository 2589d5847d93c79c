// Argument checks shared by both backends: what the kernels rely on for memory safety. The public
// Python functions check the rest and word it for their own arguments.

#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>

namespace simclr_bench {

inline void check_temperature(const char* op, double temperature) {
  TORCH_CHECK(std::isfinite(temperature) && temperature > 0, op,
              ": temperature must be positive and finite, got ", temperature);
}

// Two matrices of one shape, dtype and device; perhaps empty.
inline void check_same(const char* op, const char* first_name, const at::Tensor& first,
                       const char* second_name, const at::Tensor& second) {
  TORCH_CHECK(first.dim() == 2, op, ": ", first_name, " must have 2 dimensions, got ",
              first.sizes());
  TORCH_CHECK(first.sizes() == second.sizes(), op, ": ", first_name, " and ", second_name,
              " must have one shape, got ", first.sizes(), " and ", second.sizes());
  TORCH_CHECK(first.scalar_type() == second.scalar_type(), op, ": ", first_name, " and ",
              second_name, " must have one dtype, got ", first.scalar_type(), " and ",
              second.scalar_type());
  TORCH_CHECK(first.device() == second.device(), op, ": ", first_name, " and ", second_name,
              " must be on one device, got ", first.device(), " and ", second.device());
}

// The same, and not empty.
inline void check_pair(const char* op, const char* first_name, const at::Tensor& first,
                       const char* second_name, const at::Tensor& second) {
  check_same(op, first_name, first, second_name, second);
  TORCH_CHECK(first.numel() > 0, op, ": ", first_name, " must not be empty, got ", first.sizes());
}

inline void check_floating(const char* op, const at::Tensor& tensor, bool float64_allowed) {
  const at::ScalarType dtype = tensor.scalar_type();
  TORCH_CHECK(dtype != at::kDouble || float64_allowed, op,
              ": float64 is not supported on CUDA; use impl=\"chunked\", as impl=\"auto\" does");
  TORCH_CHECK(
      dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16 || dtype == at::kDouble,
      op, ": dtype must be float16, bfloat16, float32", float64_allowed ? " or float64" : "",
      ", got ", dtype);
}

// The upstream gradient and the statistics that the forward returned, for `rows` rows.
inline void check_saved(const char* op, const at::Tensor& input, const at::Tensor& grad,
                        const at::Tensor& statistics, int64_t kinds, int64_t rows) {
  TORCH_CHECK(grad.dim() == 1 && grad.size(0) == rows, op, ": grad must be [", rows, "], got ",
              grad.sizes());
  TORCH_CHECK(statistics.dim() == 2 && statistics.size(0) == kinds && statistics.size(1) == rows,
              op, ": statistics must be [", kinds, ", ", rows, "], got ", statistics.sizes());
  TORCH_CHECK(statistics.scalar_type() == at::kDouble, op, ": statistics must be float64, got ",
              statistics.scalar_type());
  TORCH_CHECK(grad.device() == input.device() && statistics.device() == input.device(), op,
              ": grad and statistics must be on ", input.device(), ", got ", grad.device(), " and ",
              statistics.device());
}

}  // namespace simclr_bench
