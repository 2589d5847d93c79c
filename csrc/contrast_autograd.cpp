// The gradient of the operator `contrast`, which the forward has computed already.
//
// In C++ and not beside the others in Python, where it costs more than the loss of a hundred rows.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <optional>
#include <string>
#include <tuple>

#include "saved_gradient.h"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Contrast = std::tuple<Tensor, Tensor, Tensor, Tensor>(
    const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels, double temperature,
    const std::optional<Tensor>& learned_temperature, c10::string_view objective, bool normalize,
    bool mean, bool with_gradient, int64_t workspace_bytes);
using ContrastScale = std::tuple<Tensor, Tensor, Tensor>(
    const Tensor& grad, const Tensor& z0, const Tensor& z1,
    const std::optional<Tensor>& learned_temperature, const Tensor& grad_z0, const Tensor& grad_z1,
    const Tensor& grad_temperature, c10::string_view objective);

template <typename Signature>
c10::TypedOperatorHandle<Signature> find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

std::tuple<Tensor, Tensor, Tensor, Tensor> below_autograd(
    const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels, double temperature,
    const std::optional<Tensor>& learned_temperature, c10::string_view objective, bool normalize,
    bool mean, bool with_gradient, int64_t workspace_bytes) {
  static const auto contrast = find<Contrast>("simclr_bench::contrast");
  const at::AutoDispatchBelowADInplaceOrView below;
  return contrast.call(z0, z1, labels, temperature, learned_temperature, objective, normalize, mean,
                       with_gradient, workspace_bytes);
}

class ContrastFunction : public torch::autograd::Function<ContrastFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& z0, const Tensor& z1,
                               const std::optional<Tensor>& labels, double temperature,
                               const std::optional<Tensor>& learned_temperature,
                               const std::string& objective, bool normalize, bool mean,
                               bool with_gradient, int64_t workspace_bytes) {
    auto [loss, grad_z0, grad_z1, grad_temperature] =
        below_autograd(z0, z1, labels, temperature, learned_temperature, objective, normalize, mean,
                       with_gradient, workspace_bytes);
    ctx->saved_data["objective"] = objective;
    ctx->mark_non_differentiable({grad_z0, grad_z1, grad_temperature});
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({z0, z1, learned_temperature.value_or(Tensor()),
                            simclr_bench::to_save(grad_z0), simclr_bench::to_save(grad_z1),
                            grad_temperature});
    return {loss, grad_z0, grad_z1, grad_temperature};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    enum { kZ0, kZ1, kLearned = 4, kArguments = 10 };
    variable_list result(kArguments);
    const Tensor& grad = grads[0];
    if (!grad.defined()) return result;
    const variable_list saved = ctx->get_saved_variables();
    const Tensor& learned = saved[2];
    if (at::GradMode::is_enabled()) {  // which the operator refuses, by name
      static const auto scale = find<ContrastScale>("simclr_bench::contrast_scale");
      std::tie(result[kZ0], result[kZ1], result[kLearned]) = scale.call(
          grad, saved[0], saved[1], learned.defined() ? std::optional(learned) : std::nullopt,
          saved[3], saved[4], saved[5], ctx->saved_data["objective"].toStringRef());
    } else {
      result[kZ0] = simclr_bench::scaled(saved[3], grad);
      result[kZ1] = simclr_bench::scaled(saved[4], grad);
      if (learned.defined()) result[kLearned] = saved[5].mul(grad);
    }
    if (!learned.defined()) {
      result[kLearned] = Tensor();
    } else {
      result[kLearned] = result[kLearned].to(learned.scalar_type());
    }
    return result;
  }
};

std::tuple<Tensor, Tensor, Tensor, Tensor> contrast(
    const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels, double temperature,
    const std::optional<Tensor>& learned_temperature, c10::string_view objective, bool normalize,
    bool mean, bool with_gradient, int64_t workspace_bytes) {
  const bool learns = learned_temperature && learned_temperature->requires_grad();
  if (!at::GradMode::is_enabled() || !(z0.requires_grad() || z1.requires_grad() || learns)) {
    return below_autograd(z0, z1, labels, temperature, learned_temperature, objective, normalize,
                          mean, with_gradient, workspace_bytes);
  }
  const variable_list out = ContrastFunction::apply(
      z0, z1, labels, temperature, learned_temperature, std::string(objective), normalize, mean,
      with_gradient, workspace_bytes);
  return {out[0], out[1], out[2], out[3]};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, Autograd, m) { m.impl("contrast", &contrast); }
