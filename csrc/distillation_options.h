// What the distillation operators of both backends take beside their tensors, and the checks that
// they share.

#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "check.h"
#include "distillation_kind.h"

namespace simclr_bench {

struct DistillationOptions {
  double temperature;
  c10::string_view kind;
  double soft_weight;
  double hard_weight;
  double label_smoothing;
  int64_t ignore_index;
  c10::string_view reduction;
  bool student_gradient;
  bool teacher_gradient;
};

inline DistillationKind kind_of(const char* op, c10::string_view name) {
  if (name == "ce") return DistillationKind::kCe;
  if (name == "kl") return DistillationKind::kKl;
  if (name == "reverse_kl") return DistillationKind::kReverseKl;
  if (name == "jsd") return DistillationKind::kJsd;
  TORCH_CHECK_VALUE(false, op, ": kind must be ce, kl, reverse_kl or jsd, got ", name);
}

inline void check_distillation(const char* op, const at::Tensor& student, const at::Tensor& teacher,
                               const std::optional<at::Tensor>& target,
                               const DistillationOptions& options, bool float64_allowed) {
  check_same(op, "student", student, "teacher", teacher);
  TORCH_CHECK(student.size(1) > 0, op, ": student must have classes, got ", student.sizes());
  check_floating(op, student, float64_allowed);
  check_temperature(op, options.temperature);
  TORCH_CHECK_VALUE(
      options.reduction == "batchmean" || options.reduction == "sum" || options.reduction == "none",
      op, ": reduction must be batchmean, sum or none, got ", options.reduction);
  if (!target.has_value()) return;
  TORCH_CHECK(target->dim() == 1 && target->size(0) == student.size(0), op, ": target must be [",
              student.size(0), "], got ", target->sizes());
  TORCH_CHECK(target->scalar_type() == at::kLong, op, ": target must be int64, got ",
              target->scalar_type());
  TORCH_CHECK(target->device() == student.device(), op, ": target must be on ", student.device(),
              ", got ", target->device());
}

inline void check_no_unreduced_gradient(const char* op, const DistillationOptions& options) {
  TORCH_CHECK(
      options.reduction != "none" || !(options.student_gradient || options.teacher_gradient), op,
      ": gradients of unreduced losses are distillation_recompute's");
}

// The upstream gradient has the shape of the loss.
inline void check_upstream(const char* op, const at::Tensor& grad, const at::Tensor& student,
                           const DistillationOptions& options) {
  const int64_t rows = student.size(0);
  if (options.reduction == "none") {
    TORCH_CHECK(grad.dim() == 1 && grad.size(0) == rows, op, ": grad must be [", rows, "], got ",
                grad.sizes());
  } else {
    TORCH_CHECK(grad.dim() == 0, op, ": grad must be a scalar, got ", grad.sizes());
  }
  TORCH_CHECK(grad.device() == student.device(), op, ": grad must be on ", student.device(),
              ", got ", grad.device());
}

}  // namespace simclr_bench
