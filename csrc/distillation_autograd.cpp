// The gradient of the operator `distillation`. The forward has computed it already, but that of
// unreduced losses, which is computed in the backward.
//
// In C++ and not beside the others in Python, where it costs more than the loss of a hundred rows.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "saved_gradient.h"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Distillation = std::tuple<Tensor, Tensor, Tensor>(
    const Tensor& student, const Tensor& teacher, const std::optional<Tensor>& target,
    double temperature, c10::string_view kind, double soft_weight, double hard_weight,
    double label_smoothing, int64_t ignore_index, c10::string_view reduction, bool student_gradient,
    bool teacher_gradient);
using Recompute = std::tuple<Tensor, Tensor>(
    const Tensor& grad, const Tensor& student, const Tensor& teacher,
    const std::optional<Tensor>& target, double temperature, c10::string_view kind,
    double soft_weight, double hard_weight, double label_smoothing, int64_t ignore_index,
    c10::string_view reduction, bool student_gradient, bool teacher_gradient);

struct Options {
  double temperature;
  std::string kind;
  double soft_weight, hard_weight, label_smoothing;
  int64_t ignore_index;
  std::string reduction;
};

std::tuple<Tensor, Tensor, Tensor> below_autograd(const Tensor& student, const Tensor& teacher,
                                                  const std::optional<Tensor>& target,
                                                  const Options& o, bool student_gradient,
                                                  bool teacher_gradient) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("simclr_bench::distillation", "")
                             .typed<Distillation>();
  const at::AutoDispatchBelowADInplaceOrView below;
  return op.call(student, teacher, target, o.temperature, o.kind, o.soft_weight, o.hard_weight,
                 o.label_smoothing, o.ignore_index, o.reduction, student_gradient,
                 teacher_gradient);
}

class DistillationFunction : public torch::autograd::Function<DistillationFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& student, const Tensor& teacher,
                               const std::optional<Tensor>& target, const Options& o,
                               bool student_gradient, bool teacher_gradient) {
    auto [loss, grad_student, grad_teacher] =
        below_autograd(student, teacher, target, o, student_gradient, teacher_gradient);
    ctx->saved_data["numbers"] =
        std::vector<double>{o.temperature, o.soft_weight, o.hard_weight, o.label_smoothing};
    ctx->saved_data["kind"] = o.kind;
    ctx->saved_data["ignore_index"] = o.ignore_index;
    ctx->saved_data["reduction"] = o.reduction;
    ctx->mark_non_differentiable({grad_student, grad_teacher});
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({student, teacher, target.value_or(Tensor()),
                            simclr_bench::to_save(grad_student),
                            simclr_bench::to_save(grad_teacher)});
    return {loss, grad_student, grad_teacher};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    enum { kStudent, kTeacher, kArguments = 6 };
    variable_list result(kArguments);
    const Tensor& grad = grads[0];
    if (!grad.defined()) return result;
    const bool of_student = ctx->needs_input_grad(kStudent);
    const bool of_teacher = ctx->needs_input_grad(kTeacher);
    const variable_list saved = ctx->get_saved_variables();
    const auto made = [&](const Tensor& gradient) {
      return gradient.sym_sizes() == saved[0].sym_sizes();
    };
    const bool all_made = (!of_student || made(saved[3])) && (!of_teacher || made(saved[4]));
    if (!all_made || at::GradMode::is_enabled()) {
      return recomputed(ctx, grad, saved, of_student, of_teacher);
    }
    if (of_student) result[kStudent] = simclr_bench::scaled(saved[3], grad);
    if (of_teacher) result[kTeacher] = simclr_bench::scaled(saved[4], grad);
    return result;
  }

 private:
  static variable_list recomputed(AutogradContext* ctx, const Tensor& grad,
                                  const variable_list& saved, bool of_student, bool of_teacher) {
    static const auto op = c10::Dispatcher::singleton()
                               .findSchemaOrThrow("simclr_bench::distillation_recompute", "")
                               .typed<Recompute>();
    const std::optional<Tensor> target =
        saved[2].defined() ? std::optional<Tensor>(saved[2]) : std::nullopt;
    auto& data = ctx->saved_data;
    const std::vector<double> numbers = data["numbers"].toDoubleVector();
    auto [student, teacher] =
        op.call(grad, saved[0], saved[1], target, numbers[0], data["kind"].toStringRef(),
                numbers[1], numbers[2], numbers[3], data["ignore_index"].toInt(),
                data["reduction"].toStringRef(), of_student, of_teacher);
    return {of_student ? student : Tensor(), of_teacher ? teacher : Tensor(), {}, {}, {}, {}};
  }
};

std::tuple<Tensor, Tensor, Tensor> distillation(const Tensor& student, const Tensor& teacher,
                                                const std::optional<Tensor>& target,
                                                double temperature, c10::string_view kind,
                                                double soft_weight, double hard_weight,
                                                double label_smoothing, int64_t ignore_index,
                                                c10::string_view reduction, bool student_gradient,
                                                bool teacher_gradient) {
  const Options options{temperature,     std::string(kind), soft_weight,           hard_weight,
                        label_smoothing, ignore_index,      std::string(reduction)};
  if (!at::GradMode::is_enabled() || !(student.requires_grad() || teacher.requires_grad())) {
    return below_autograd(student, teacher, target, options, student_gradient, teacher_gradient);
  }
  const variable_list out = DistillationFunction::apply(student, teacher, target, options,
                                                        student_gradient, teacher_gradient);
  return {out[0], out[1], out[2]};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, Autograd, m) { m.impl("distillation", &distillation); }
