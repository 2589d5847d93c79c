// Registers the CUDA kernels of kernels.cu: checks, device guard, stream, launch.
// Nothing here waits for the device, and all of it can be captured in a CUDA graph.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <limits>
#include <optional>
#include <tuple>

#include "../../distillation_options.h"
#include "../launch.h"
#include "../launchers.h"

namespace {

using at::Tensor;
using simclr_bench::check_launch;
using simclr_bench::element_of;
using Options = simclr_bench::DistillationOptions;

void check_inputs(const char* op, const Tensor& student, const Tensor& teacher,
                  const std::optional<Tensor>& target, const Options& options) {
  simclr_bench::check_distillation(op, student, teacher, target, options,
                                   /*float64_allowed=*/false);
  TORCH_CHECK(student.size(1) < 1 << 30, op, ": fewer than 2^30 classes on CUDA, got ",
              student.size(1));
}

// The tensor itself if its rows are contiguous, whatever lies between them.
Tensor with_contiguous_rows(const Tensor& x) {
  return x.stride(1) == 1 || x.size(1) == 1 ? x : x.contiguous();
}

// [B, C], or [0] where it is not wanted.
Tensor empty_gradient(const Tensor& x, bool wanted) {
  return wanted ? at::empty(x.sizes(), x.options()) : at::empty({0}, x.options());
}

void* address_of(const Tensor& gradient, bool wanted) {
  return wanted ? gradient.mutable_data_ptr() : nullptr;
}

// Runs the kernels. upstream [B] and loss [] or [B] may be undefined; B is not 0.
void run(const char* op, const Tensor& student, const Tensor& teacher,
         const std::optional<Tensor>& target, const Options& options, const Tensor& upstream,
         const Tensor& loss, const Tensor& grad_student, const Tensor& grad_teacher) {
  const int64_t rows = student.size(0);
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const Tensor x = with_contiguous_rows(student);
  const Tensor t = with_contiguous_rows(teacher);
  const std::optional<Tensor> y =
      target.has_value() ? std::optional<Tensor>(target->contiguous()) : target;
  const bool mean = options.reduction == "batchmean";
  SimclrBenchDistillation problem = {};
  problem.student = x.const_data_ptr();
  problem.teacher = t.const_data_ptr();
  problem.target = y.has_value() ? y->const_data_ptr<int64_t>() : nullptr;
  problem.grad_student = address_of(grad_student, options.student_gradient);
  problem.grad_teacher = address_of(grad_teacher, options.teacher_gradient);
  problem.student_stride = x.stride(0);
  problem.teacher_stride = t.stride(0);
  problem.rows = rows;
  problem.classes = student.size(1);
  problem.ignore_index = options.ignore_index;
  problem.inverse_temperature = 1 / options.temperature;
  problem.soft_weight =
      mean ? options.soft_weight / static_cast<double>(rows) : options.soft_weight;
  problem.hard_weight = options.hard_weight;
  problem.label_smoothing = options.label_smoothing;
  problem.element = element_of(student);
  problem.kind = simclr_bench::kind_of(op, options.kind);
  problem.mean_of_targets = mean && y.has_value();
  if (upstream.defined()) {
    problem.upstream = upstream.const_data_ptr<float>();
    problem.upstream_stride = upstream.stride(0);
  }
  if (loss.defined()) problem.loss = loss.mutable_data_ptr<float>();

  Tensor partials, counts, ticket;
  if (problem.mean_of_targets && rows > kDistillationFewTargets) {
    counts = at::empty({kDistillationBlocks}, student.options().dtype(at::kLong));
    problem.counts = counts.mutable_data_ptr<int64_t>();
  }
  if (loss.defined() && options.reduction != "none") {
    partials = at::empty({kDistillationBlocks}, student.options().dtype(at::kDouble));
    ticket = at::empty({1}, student.options().dtype(at::kInt));
    problem.partials = partials.mutable_data_ptr<double>();
    problem.ticket = reinterpret_cast<unsigned*>(ticket.mutable_data_ptr<int>());
    check_launch(op, cudaMemsetAsync(problem.ticket, 0, sizeof(unsigned), stream));
  }
  int shared_limit = 0;
  check_launch(op, cudaDeviceGetAttribute(&shared_limit, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                          student.device().index()));
  check_launch(op, simclr_bench_distillation(&problem, shared_limit, stream));
}

std::tuple<Tensor, Tensor, Tensor> distillation(const Tensor& student, const Tensor& teacher,
                                                const std::optional<Tensor>& target,
                                                double temperature, c10::string_view kind,
                                                double soft_weight, double hard_weight,
                                                double label_smoothing, int64_t ignore_index,
                                                c10::string_view reduction, bool student_gradient,
                                                bool teacher_gradient) {
  constexpr const char* kOp = "distillation";
  const Options options = {temperature,     kind,         soft_weight, hard_weight,
                           label_smoothing, ignore_index, reduction,   student_gradient,
                           teacher_gradient};
  check_inputs(kOp, student, teacher, target, options);
  simclr_bench::check_no_unreduced_gradient(kOp, options);
  const c10::cuda::CUDAGuard guard(student.device());  // else the kernel runs on device 0
  const Tensor grad_student = empty_gradient(student, student_gradient);
  const Tensor grad_teacher = empty_gradient(student, teacher_gradient);
  const at::TensorOptions float32 = student.options().dtype(at::kFloat);
  const int64_t rows = student.size(0);
  if (rows == 0 && reduction != "none") {
    const double of_none = reduction == "sum" ? 0 : std::numeric_limits<double>::quiet_NaN();
    return {at::full({}, of_none, float32), grad_student, grad_teacher};
  }
  const Tensor loss = reduction == "none" ? at::empty({rows}, float32) : at::empty({}, float32);
  if (rows > 0) {
    run(kOp, student, teacher, target, options, Tensor(), loss, grad_student, grad_teacher);
  }
  return {loss, grad_student, grad_teacher};
}

std::tuple<Tensor, Tensor> distillation_recompute(
    const Tensor& grad, const Tensor& student, const Tensor& teacher,
    const std::optional<Tensor>& target, double temperature, c10::string_view kind,
    double soft_weight, double hard_weight, double label_smoothing, int64_t ignore_index,
    c10::string_view reduction, bool student_gradient, bool teacher_gradient) {
  constexpr const char* kOp = "distillation_recompute";
  const Options options = {temperature,     kind,         soft_weight, hard_weight,
                           label_smoothing, ignore_index, reduction,   student_gradient,
                           teacher_gradient};
  check_inputs(kOp, student, teacher, target, options);
  simclr_bench::check_upstream(kOp, grad, student, options);
  const c10::cuda::CUDAGuard guard(student.device());
  const Tensor grad_student = empty_gradient(student, student_gradient);
  const Tensor grad_teacher = empty_gradient(student, teacher_gradient);
  const Tensor upstream = grad.to(at::kFloat).expand({student.size(0)});
  if (student.size(0) > 0 && (student_gradient || teacher_gradient)) {
    run(kOp, student, teacher, target, options, upstream, Tensor(), grad_student, grad_teacher);
  }
  return {grad_student, grad_teacher};
}

void scale_(const Tensor& gradient, const Tensor& factor) {
  constexpr const char* kOp = "scale_";
  simclr_bench::check_floating(kOp, gradient, /*float64_allowed=*/false);
  TORCH_CHECK(gradient.is_contiguous(), kOp, ": gradient must be contiguous");
  TORCH_CHECK(reinterpret_cast<uintptr_t>(gradient.const_data_ptr()) % 16 == 0, kOp,
              ": gradient must begin at a multiple of 16 bytes");
  TORCH_CHECK(factor.dim() == 0 && factor.scalar_type() == at::kFloat, kOp,
              ": factor must be a float32 scalar, got ", factor.scalar_type(), factor.sizes());
  TORCH_CHECK(factor.device() == gradient.device(), kOp, ": factor must be on ", gradient.device(),
              ", got ", factor.device());
  if (gradient.numel() == 0) return;
  const c10::cuda::CUDAGuard guard(gradient.device());
  check_launch(
      kOp, simclr_bench_scale(gradient.mutable_data_ptr(), element_of(gradient), gradient.numel(),
                              factor.const_data_ptr<float>(), c10::cuda::getCurrentCUDAStream()));
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CUDA, m) {
  m.impl("distillation", &distillation);
  m.impl("distillation_recompute", &distillation_recompute);
  m.impl("scale_", &scale_);
}
