// Registers the CUDA kernels of nt_xent_kernels.cu: checks, device guard, stream, launch.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <tuple>

#include "../check.h"
#include "launch.h"
#include "launchers.h"

namespace {

using simclr_bench::check_launch;
using simclr_bench::element_of;

// The normalized rows [N, D], their transpose [D, N], and the norms [N].
struct UnitRows {
  at::Tensor rows;
  at::Tensor columns;
  at::Tensor norms;
};

UnitRows unit_rows(const char* op, const at::Tensor& z0, const at::Tensor& z1, bool normalize,
                   cudaStream_t stream) {
  const int64_t n = 2 * z0.size(0);
  const int64_t dim = z0.size(1);
  const at::TensorOptions options = z0.options().dtype(at::kFloat);
  UnitRows u{at::empty({n, dim}, options), at::empty({dim, n}, options), at::empty({n}, options)};
  const at::Tensor first = z0.contiguous();
  const at::Tensor second = z1.contiguous();
  check_launch(
      op, simclr_bench_unit_rows(first.const_data_ptr(), second.const_data_ptr(), element_of(z0),
                                 z0.size(0), dim, normalize, u.rows.mutable_data_ptr<float>(),
                                 u.columns.mutable_data_ptr<float>(),
                                 u.norms.mutable_data_ptr<float>(), stream));
  return u;
}

void check_inputs(const char* op, const at::Tensor& z0, const at::Tensor& z1, double temperature) {
  simclr_bench::check_pair(op, "z0", z0, "z1", z1);
  simclr_bench::check_floating(op, z0, /*float64_allowed=*/false);
  simclr_bench::check_temperature(op, temperature);
  simclr_bench::check_rows(op, 2 * z0.size(0));
}

std::tuple<at::Tensor, at::Tensor> nt_xent_forward(const at::Tensor& z0, const at::Tensor& z1,
                                                   double temperature, bool normalize) {
  constexpr const char* kOp = "nt_xent_forward";
  check_inputs(kOp, z0, z1, temperature);
  const c10::cuda::CUDAGuard guard(z0.device());  // else the kernels run on device 0
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const int64_t n = 2 * z0.size(0);
  at::Tensor loss = at::empty({n}, z0.options().dtype(at::kFloat));
  at::Tensor statistics = at::empty({3, n}, z0.options().dtype(at::kDouble));
  const UnitRows u = unit_rows(kOp, z0, z1, normalize, stream);
  check_launch(kOp, simclr_bench_nt_xent_forward(
                        u.rows.const_data_ptr<float>(), u.columns.const_data_ptr<float>(),
                        z0.size(0), z0.size(1), temperature, loss.mutable_data_ptr<float>(),
                        statistics.mutable_data_ptr<double>(), stream));
  return {loss, statistics};
}

std::tuple<at::Tensor, at::Tensor> nt_xent_backward(const at::Tensor& grad, const at::Tensor& z0,
                                                    const at::Tensor& z1,
                                                    const at::Tensor& statistics,
                                                    double temperature, bool normalize) {
  constexpr const char* kOp = "nt_xent_backward";
  check_inputs(kOp, z0, z1, temperature);
  const int64_t n = 2 * z0.size(0);
  const int64_t dim = z0.size(1);
  simclr_bench::check_saved(kOp, z0, grad, statistics, 3, n);
  TORCH_CHECK(dim <= 65535 * 256, kOp, ": at most 16776960 columns on CUDA, got ", dim);
  const c10::cuda::CUDAGuard guard(z0.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const at::TensorOptions options = z0.options().dtype(at::kFloat);
  at::Tensor grad_z0 = at::empty(z0.sizes(), z0.options());
  at::Tensor grad_z1 = at::empty(z1.sizes(), z1.options());
  at::Tensor coefficients = at::empty({2, n}, options);
  at::Tensor grad_rows = at::empty({n, dim}, options);
  const at::Tensor upstream = grad.to(at::kFloat).contiguous();
  const at::Tensor saved = statistics.contiguous();
  const UnitRows u = unit_rows(kOp, z0, z1, normalize, stream);
  check_launch(kOp,
               simclr_bench_nt_xent_backward(
                   upstream.const_data_ptr<float>(), u.rows.const_data_ptr<float>(),
                   u.columns.const_data_ptr<float>(), u.norms.const_data_ptr<float>(),
                   saved.const_data_ptr<double>(), z0.size(0), dim, temperature, normalize,
                   coefficients.mutable_data_ptr<float>(), grad_rows.mutable_data_ptr<float>(),
                   element_of(z0), grad_z0.mutable_data_ptr(), grad_z1.mutable_data_ptr(), stream));
  return {grad_z0, grad_z1};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CUDA, m) {
  m.impl("nt_xent_forward", &nt_xent_forward);
  m.impl("nt_xent_backward", &nt_xent_backward);
}
