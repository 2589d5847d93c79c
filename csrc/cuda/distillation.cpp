// Registers the CUDA kernels of distillation_kernels.cu: checks, device guard, stream, launch.

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

void check_inputs(const char* op, const at::Tensor& student, const at::Tensor& teacher,
                  double temperature) {
  simclr_bench::check_pair(op, "student", student, "teacher", teacher);
  simclr_bench::check_floating(op, student, /*float64_allowed=*/false);
  simclr_bench::check_temperature(op, temperature);
  simclr_bench::check_rows(op, student.size(0));
}

std::tuple<at::Tensor, at::Tensor> distillation_forward(const at::Tensor& student,
                                                        const at::Tensor& teacher,
                                                        double temperature) {
  constexpr const char* kOp = "distillation_forward";
  check_inputs(kOp, student, teacher, temperature);
  const c10::cuda::CUDAGuard guard(student.device());  // else the kernel runs on device 0
  const int64_t rows = student.size(0);
  at::Tensor loss = at::empty({rows}, student.options().dtype(at::kFloat));
  at::Tensor statistics = at::empty({4, rows}, student.options().dtype(at::kDouble));
  const at::Tensor x = student.contiguous();
  const at::Tensor t = teacher.contiguous();
  check_launch(kOp, simclr_bench_distillation_forward(
                        x.const_data_ptr(), t.const_data_ptr(), element_of(x), rows, x.size(1),
                        temperature, loss.mutable_data_ptr<float>(),
                        statistics.mutable_data_ptr<double>(), c10::cuda::getCurrentCUDAStream()));
  return {loss, statistics};
}

at::Tensor distillation_backward(const at::Tensor& grad, const at::Tensor& student,
                                 const at::Tensor& teacher, const at::Tensor& statistics,
                                 double temperature) {
  constexpr const char* kOp = "distillation_backward";
  check_inputs(kOp, student, teacher, temperature);
  simclr_bench::check_saved(kOp, student, grad, statistics, 4, student.size(0));
  const c10::cuda::CUDAGuard guard(student.device());
  at::Tensor grad_student = at::empty(student.sizes(), student.options());
  const at::Tensor upstream = grad.to(at::kFloat).contiguous();
  const at::Tensor x = student.contiguous();
  const at::Tensor t = teacher.contiguous();
  const at::Tensor saved = statistics.contiguous();
  check_launch(kOp,
               simclr_bench_distillation_backward(
                   upstream.const_data_ptr<float>(), x.const_data_ptr(), t.const_data_ptr(),
                   saved.const_data_ptr<double>(), element_of(x), x.size(0), x.size(1), temperature,
                   grad_student.mutable_data_ptr(), c10::cuda::getCurrentCUDAStream()));
  return grad_student;
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CUDA, m) {
  m.impl("distillation_forward", &distillation_forward);
  m.impl("distillation_backward", &distillation_backward);
}
