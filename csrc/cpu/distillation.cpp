// Distillation on the CPU: checks, threads, and the choice of an instruction set. Formulas and
// kernels: distillation_terms.h, distillation_kernels.h.

#include "distillation.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "../distillation_options.h"
#include "capability.h"

namespace {

using at::Tensor;
using simclr_bench::Capability;
using simclr_bench::check_distillation;
using simclr_bench::DistillationKind;
using simclr_bench::DistillationProblem;
using simclr_bench::DistillationRows;
using simclr_bench::kind_of;
using Options = simclr_bench::DistillationOptions;

// Elements for one thread at least: about 20 us of exponentials.
constexpr int64_t kGrainElements = 8192;

const simclr_bench::DistillationKernels& kernels() {
#if defined(__x86_64__)
  const Capability capability = simclr_bench::cpu_capability();
  if (capability >= Capability::kAvx512) return simclr_bench::avx512::kDistillation;
  if (capability >= Capability::kAvx2) return simclr_bench::avx2::kDistillation;
#endif
  return simclr_bench::baseline::kDistillation;
}

DistillationRows<float> rows_kernel(float) { return kernels().float32; }
DistillationRows<double> rows_kernel(double) { return kernels().float64; }

// How many rows have a hard term; throws IndexError for a target that is no class.
int64_t rows_with_target(const Tensor& target, int64_t classes, int64_t ignore_index) {
  const int64_t* y = target.const_data_ptr<int64_t>();
  int64_t kept = 0;
  for (int64_t b = 0; b < target.size(0); ++b) {
    if (y[b] == ignore_index) continue;
    TORCH_CHECK_INDEX(0 <= y[b] && y[b] < classes, "distillation_loss: target must be in [0, ",
                      classes, ") or ignore_index ", ignore_index, ", got ", y[b]);
    ++kept;
  }
  return kept;
}

template <typename T>
void compute(const Tensor& student, const Tensor& teacher, const std::optional<Tensor>& target,
             const Options& options, DistillationKind kind, const double* upstream, double* loss,
             const Tensor& grad_student, const Tensor& grad_teacher) {
  const int64_t rows = student.size(0);
  const int64_t classes = student.size(1);
  DistillationProblem<T> problem;
  problem.student = student.const_data_ptr<T>();
  problem.teacher = teacher.const_data_ptr<T>();
  problem.target = nullptr;
  problem.classes = classes;
  problem.kind = kind;
  problem.inverse_temperature = 1 / options.temperature;
  problem.soft_weight = options.soft_weight;
  problem.hard_weight = options.hard_weight;
  problem.label_smoothing = classes == 1 ? 0 : options.label_smoothing;  // there, all is the target
  problem.ignore_index = options.ignore_index;
  problem.upstream = upstream;
  problem.loss = loss;
  problem.grad_student = options.student_gradient ? grad_student.mutable_data_ptr<T>() : nullptr;
  problem.grad_teacher = options.teacher_gradient ? grad_teacher.mutable_data_ptr<T>() : nullptr;
  if (options.reduction == "batchmean") problem.soft_weight /= rows;
  if (target.has_value()) {
    const int64_t kept = rows_with_target(*target, classes, options.ignore_index);
    problem.target = target->const_data_ptr<int64_t>();
    if (options.reduction == "batchmean") problem.hard_weight /= std::max<int64_t>(1, kept);
  }

  const DistillationRows<T> kernel = rows_kernel(T());
  const int64_t grain = std::max<int64_t>(1, kGrainElements / classes);
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    const std::unique_ptr<T[]> scratch(new T[simclr_bench::distillation_scratch(classes)]);
    kernel(problem, begin, end, scratch.get());
  });
}

void compute_any(const Tensor& student, const Tensor& teacher, const std::optional<Tensor>& target,
                 const Options& options, DistillationKind kind, const double* upstream,
                 double* loss, const Tensor& grad_student, const Tensor& grad_teacher) {
  if (student.scalar_type() == at::kDouble) {
    compute<double>(student, teacher, target, options, kind, upstream, loss, grad_student,
                    grad_teacher);
  } else {
    compute<float>(student, teacher, target, options, kind, upstream, loss, grad_student,
                   grad_teacher);
  }
}

at::ScalarType computed_in(const Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// [B, C] in the dtype of the computation, or [0] where it is not wanted.
Tensor empty_gradient(const Tensor& x, bool wanted) {
  const at::TensorOptions options = x.options().dtype(computed_in(x));
  return wanted ? at::empty(x.sizes(), options) : at::empty({0}, options);
}

std::optional<Tensor> contiguous(const std::optional<Tensor>& target) {
  return target.has_value() ? std::optional<Tensor>(target->contiguous()) : target;
}

Tensor reduced(const std::vector<double>& losses, c10::string_view reduction,
               at::ScalarType dtype) {
  if (reduction == "none") return at::tensor(losses, dtype);
  if (losses.empty() && reduction == "batchmean") {
    return at::scalar_tensor(std::numeric_limits<double>::quiet_NaN(), dtype);
  }
  return at::scalar_tensor(std::accumulate(losses.begin(), losses.end(), 0.0), dtype);
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
  check_distillation(kOp, student, teacher, target, options, /*float64_allowed=*/true);
  simclr_bench::check_no_unreduced_gradient(kOp, options);
  const int64_t rows = student.size(0);
  const at::ScalarType dtype = computed_in(student);
  const Tensor x = student.to(dtype).contiguous();
  const Tensor t = teacher.to(dtype).contiguous();
  const Tensor grad_student = empty_gradient(student, student_gradient);
  const Tensor grad_teacher = empty_gradient(student, teacher_gradient);
  std::vector<double> losses(rows);
  compute_any(x, t, contiguous(target), options, kind_of(kOp, kind), nullptr, losses.data(),
              grad_student, grad_teacher);
  return {reduced(losses, reduction, dtype), grad_student.to(student.scalar_type()),
          grad_teacher.to(student.scalar_type())};
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
  check_distillation(kOp, student, teacher, target, options, /*float64_allowed=*/true);
  const int64_t rows = student.size(0);
  simclr_bench::check_upstream(kOp, grad, student, options);
  const at::ScalarType dtype = computed_in(student);
  const Tensor x = student.to(dtype).contiguous();
  const Tensor t = teacher.to(dtype).contiguous();
  const Tensor upstream = grad.to(at::kDouble).expand({rows}).contiguous();
  const Tensor grad_student = empty_gradient(student, student_gradient);
  const Tensor grad_teacher = empty_gradient(student, teacher_gradient);
  compute_any(x, t, contiguous(target), options, kind_of(kOp, kind),
              upstream.const_data_ptr<double>(), nullptr, grad_student, grad_teacher);
  return {grad_student.to(student.scalar_type()), grad_teacher.to(student.scalar_type())};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CPU, m) {
  m.impl("distillation", &distillation);
  m.impl("distillation_recompute", &distillation_recompute);
}
