// For losses whose gradient is made in the forward and saved: what the backward makes of it.

#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/graph_task.h>

namespace simclr_bench {

// Under torch.compile a tensor stands for one and has no value.
inline bool is_traced(const at::Tensor& tensor) {
  return tensor.key_set().has(c10::DispatchKey::Python) ||
         tensor.key_set().has(c10::DispatchKey::Functionalize);
}

// gradient·grad for grad []. Where no one else will read the gradient it is given away and not
// copied: it must be held by the caller and the graph only, and the graph be freed afterwards.
inline at::Tensor scaled_and_freed(const at::Tensor& gradient, const at::Tensor& grad) {
  constexpr size_t kOwners = 2;
  const bool ours =
      gradient.use_count() <= kOwners && !torch::autograd::get_current_graph_task_keep_graph();
  if (!ours) return gradient.mul(grad).to(gradient.scalar_type());
  return grad.item<double>() == 1 ? gradient : gradient.mul_(grad);
}

}  // namespace simclr_bench
