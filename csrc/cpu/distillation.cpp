// Distillation loss from raw logits on the CPU, forward and backward (SimCLRv2, arXiv:2006.10029,
// Eq. 2).
//
//   in    student x [B, C], teacher t [B, C]
//   out   loss [B]; statistics [4, B]: m and a of the student, then of the teacher
//
//   k       = 1/τ
//   m(x)    = max_c x_c,   a(x) = log Σ_c exp((x_c - m(x))·k)
//   P(x)_c  = exp((x_c - m(x))·k - a(x))
//   loss_b  = -Σ_c P(t)_c·log P(x)_c = a(x) - Σ_c P(t)_c·(x_c - m(x))·k
//   ∂loss_b/∂x_c = (P(x)_c - P(t)_c)·k                  the teacher gets no gradient
//
// Both terms of the loss are non-negative as written; with m·k left in them they would have size
// max|x|/τ and cancel. A class with P(t)_c = 0 contributes 0, also where x_c = -inf.
//
// Not stored: either [B, C] probability matrix. All arithmetic is in double. Rows are independent
// of each other, so the result does not depend on the number of threads.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "../check.h"

namespace {

// Rows for one thread at least: about 0.1 ms of exponentials.
int64_t grain_rows(int64_t classes) { return std::max<int64_t>(1, 8192 / classes); }

template <typename acc_t>
double maximum(const acc_t* x, int64_t classes) {
  acc_t result = -std::numeric_limits<acc_t>::infinity();
  for (int64_t c = 0; c < classes; ++c) result = x[c] > result ? x[c] : result;
  return result;
}

template <typename acc_t>
void forward(const at::Tensor& student, const at::Tensor& teacher, double temperature,
             at::Tensor& loss, at::Tensor& statistics) {
  const int64_t rows = student.size(0);
  const int64_t classes = student.size(1);
  const double k = 1 / temperature;
  const acc_t* students = student.const_data_ptr<acc_t>();
  const acc_t* teachers = teacher.const_data_ptr<acc_t>();
  double* saved = statistics.mutable_data_ptr<double>();
  acc_t* out = loss.mutable_data_ptr<acc_t>();

  at::parallel_for(0, rows, grain_rows(classes), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const acc_t* x = students + b * classes;
      const acc_t* t = teachers + b * classes;
      const double x_max = maximum(x, classes);
      const double t_max = maximum(t, classes);
      double x_sum = 0;
      double t_sum = 0;
      double cross = 0;
      for (int64_t c = 0; c < classes; ++c) {
        const double above = (x[c] - x_max) * k;
        const double weight = std::exp((t[c] - t_max) * k);
        x_sum += std::exp(above);
        t_sum += weight;
        if (weight != 0) cross += weight * above;  // 0·(-inf) would be NaN
      }
      saved[b] = x_max;
      saved[rows + b] = std::log(x_sum);
      saved[2 * rows + b] = t_max;
      saved[3 * rows + b] = std::log(t_sum);
      out[b] = static_cast<acc_t>(std::log(x_sum) - cross / t_sum);
    }
  });
}

template <typename acc_t>
void backward(const at::Tensor& grad, const at::Tensor& student, const at::Tensor& teacher,
              const at::Tensor& statistics, double temperature, at::Tensor& grad_student) {
  const int64_t rows = student.size(0);
  const int64_t classes = student.size(1);
  const double k = 1 / temperature;
  const acc_t* students = student.const_data_ptr<acc_t>();
  const acc_t* teachers = teacher.const_data_ptr<acc_t>();
  const acc_t* g = grad.const_data_ptr<acc_t>();
  const double* saved = statistics.const_data_ptr<double>();
  acc_t* out = grad_student.mutable_data_ptr<acc_t>();

  at::parallel_for(0, rows, grain_rows(classes), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const acc_t* x = students + b * classes;
      const acc_t* t = teachers + b * classes;
      const double x_scale = std::exp(-saved[rows + b]);
      const double t_scale = std::exp(-saved[3 * rows + b]);
      for (int64_t c = 0; c < classes; ++c) {
        const double p_student = std::exp((x[c] - saved[b]) * k) * x_scale;
        const double p_teacher = std::exp((t[c] - saved[2 * rows + b]) * k) * t_scale;
        out[b * classes + c] = static_cast<acc_t>(g[b] * k * (p_student - p_teacher));
      }
    }
  });
}

std::tuple<at::Tensor, at::Tensor> distillation_forward(const at::Tensor& student,
                                                        const at::Tensor& teacher,
                                                        double temperature) {
  constexpr const char* kOp = "distillation_forward";
  simclr_bench::check_pair(kOp, "student", student, "teacher", teacher);
  simclr_bench::check_floating(kOp, student, /*float64_allowed=*/true);
  simclr_bench::check_temperature(kOp, temperature);
  const at::ScalarType dtype = student.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor loss = at::empty({student.size(0)}, student.options().dtype(dtype));
  at::Tensor statistics = at::empty({4, student.size(0)}, student.options().dtype(at::kDouble));
  const at::Tensor x = student.to(dtype).contiguous();
  const at::Tensor t = teacher.to(dtype).contiguous();
  if (dtype == at::kDouble) {
    forward<double>(x, t, temperature, loss, statistics);
  } else {
    forward<float>(x, t, temperature, loss, statistics);
  }
  return {loss, statistics};
}

at::Tensor distillation_backward(const at::Tensor& grad, const at::Tensor& student,
                                 const at::Tensor& teacher, const at::Tensor& statistics,
                                 double temperature) {
  constexpr const char* kOp = "distillation_backward";
  simclr_bench::check_pair(kOp, "student", student, "teacher", teacher);
  simclr_bench::check_floating(kOp, student, /*float64_allowed=*/true);
  simclr_bench::check_temperature(kOp, temperature);
  simclr_bench::check_saved(kOp, student, grad, statistics, 4, student.size(0));
  const at::ScalarType dtype = student.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor grad_student = at::empty(student.sizes(), student.options().dtype(dtype));
  const at::Tensor upstream = grad.to(dtype).contiguous();
  const at::Tensor x = student.to(dtype).contiguous();
  const at::Tensor t = teacher.to(dtype).contiguous();
  const at::Tensor saved = statistics.contiguous();
  if (dtype == at::kDouble) {
    backward<double>(upstream, x, t, saved, temperature, grad_student);
  } else {
    backward<float>(upstream, x, t, saved, temperature, grad_student);
  }
  return grad_student.to(student.scalar_type());
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CPU, m) {
  m.impl("distillation_forward", &distillation_forward);
  m.impl("distillation_backward", &distillation_backward);
}
