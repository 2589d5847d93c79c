// For losses whose gradient is made in the forward and saved: what the backward makes of it.

#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/detach.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/graph_task.h>

namespace simclr_bench {

// Whether a tensor has one value: under torch.compile and vmap it stands for others.
inline bool has_value(const at::Tensor& tensor) {
  const c10::DispatchKeySet keys = tensor.key_set();
  return !keys.has(c10::DispatchKey::Python) && !keys.has(c10::DispatchKey::Functionalize) &&
         !keys.has(c10::DispatchKey::FuncTorchBatched) && !keys.has(c10::DispatchKey::Batched);
}

// A tensor of the same memory to save in the place of an output, which a Python object keeps alive
// for as long as the graph.
inline at::Tensor to_save(const at::Tensor& gradient) { return gradient.detach(); }

// gradient·grad for grad []. Where no one else will read the gradient it is given away and not
// copied: if its memory is that of `to_save` only, and the graph is freed afterwards.
inline at::Tensor scaled(const at::Tensor& gradient, const at::Tensor& grad) {
  const bool ours = has_value(grad) && !torch::autograd::get_current_graph_task_keep_graph() &&
                    gradient.storage().use_count() == 1;
  if (!ours) return gradient.mul(grad);
  if (gradient.is_cuda()) {  // item() would wait for the device
    static const auto scale = c10::Dispatcher::singleton()
                                  .findSchemaOrThrow("simclr_bench::scale_", "")
                                  .typed<void(const at::Tensor&, const at::Tensor&)>();
    const at::AutoDispatchBelowADInplaceOrView below;
    scale.call(gradient, grad.to(at::kFloat));
    return gradient;
  }
  return grad.item<double>() == 1 ? gradient : gradient.mul_(grad);
}

}  // namespace simclr_bench
