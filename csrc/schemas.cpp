// The operators this library adds to PyTorch, and nothing else. Backends register their kernels
// with TORCH_LIBRARY_IMPL in their own files; fake kernels and autograd formulas live in
// simclr_bench/losses/*/fused.py, those of gradients made in the forward in csrc/*_autograd.cpp.
//
// B pairs, N = 2B rows: row i is z0[i] for i < B and z1[i - B] for i >= B. `loss` is float64 for
// float64 inputs and float32 for all others; `statistics` is float64 always; gradients have the
// dtype of the inputs.

#include <torch/library.h>

TORCH_LIBRARY(simclr_bench, m) {
  // The contrastive losses on the CPU. objective: "nt_xent", "decoupled", "info_nce", or
  // "supervised" with labels int64 [N], rows z0 [N, D] and an empty z1 [0, D].
  // learned_temperature, a number in a tensor, counts instead of temperature where it is given.
  //
  // loss []: the sum over the rows, or their mean; supervised, over the rows that have a positive.
  // The gradients are those of that loss, made at once where with_gradient, else empty.
  // workspace_bytes: memory for tiles that are not computed twice.
  m.def(
      "contrast(Tensor z0, Tensor z1, Tensor? labels, float temperature,"
      " Tensor? learned_temperature, str objective, bool normalize, bool mean,"
      " bool with_gradient, int workspace_bytes)"
      " -> (Tensor loss, Tensor grad_z0, Tensor grad_z1, Tensor grad_temperature)");
  // The three gradients times grad []. The rest is there to refuse a second derivative by name.
  m.def(
      "contrast_scale(Tensor grad, Tensor z0, Tensor z1, Tensor? learned_temperature,"
      " Tensor grad_z0, Tensor grad_z1, Tensor grad_temperature, str objective)"
      " -> (Tensor grad_z0, Tensor grad_z1, Tensor grad_temperature)");
  // loss [N]. statistics [4, N], with labels [7, N]: what the backward needs of each row's sums;
  // see csrc/cpu/contrast.cpp. others [2, M / 2, D]: rows of other processes, only compared with.
  m.def(
      "contrast_forward(Tensor z0, Tensor z1, Tensor? labels, Tensor? others, float temperature,"
      " Tensor? learned_temperature, str objective, bool normalize)"
      " -> (Tensor loss, Tensor statistics)");
  // grad [N + M] is the upstream gradient of each row's loss, statistics as above; in both the rows
  // of `others` come last.
  m.def(
      "contrast_backward(Tensor grad, Tensor z0, Tensor z1, Tensor? labels, Tensor? others,"
      " Tensor statistics, float temperature, Tensor? learned_temperature, str objective,"
      " bool normalize) -> (Tensor grad_z0, Tensor grad_z1, Tensor grad_temperature)");
  // The same on CUDA. loss [N]. statistics [3, N]: the largest similarity among a row's negatives
  // (0 where none is taken out), the log of the sum of exponentials above it, and the similarity of
  // its positive; with labels [6, N]: the mean similarity of its positives, and the first two of
  // them and their number as well. precision, of products of float32: "highest", "high", "medium".
  // workspace_bytes: memory for what grows with N²; where it is too small, passes are made.
  m.def(
      "nt_xent_forward(Tensor z0, Tensor z1, Tensor? labels, Tensor? others, float temperature,"
      " Tensor? learned_temperature, str objective, bool normalize, str precision,"
      " int workspace_bytes) -> (Tensor loss, Tensor statistics)");
  m.def(
      "nt_xent_backward(Tensor grad, Tensor z0, Tensor z1, Tensor? labels, Tensor? others,"
      " Tensor statistics,"
      " float temperature, Tensor? learned_temperature, str objective, bool normalize,"
      " str precision, int workspace_bytes)"
      " -> (Tensor grad_z0, Tensor grad_z1, Tensor grad_temperature)");
  // For every option of distillation_loss. kind: ce, kl, reverse_kl or jsd; reduction:
  // batchmean, sum or none. soft_weight and hard_weight multiply the two terms; "batchmean" divides
  // each by its number of rows. loss [] or, for "none", [B]. A gradient of the loss is [B, C] if it
  // is asked for and [0] if not; for "none" neither may be.
  m.def(
      "distillation(Tensor student, Tensor teacher, Tensor? target, float temperature, str kind,"
      " float soft_weight, float hard_weight, float label_smoothing, int ignore_index,"
      " str reduction, bool student_gradient, bool teacher_gradient)"
      " -> (Tensor loss, Tensor grad_student, Tensor grad_teacher)");
  // The gradients, computed anew and multiplied by grad, which has the shape of the loss.
  m.def(
      "distillation_recompute(Tensor grad, Tensor student, Tensor teacher, Tensor? target,"
      " float temperature, str kind, float soft_weight, float hard_weight, float label_smoothing,"
      " int ignore_index, str reduction, bool student_gradient, bool teacher_gradient)"
      " -> (Tensor grad_student, Tensor grad_teacher)");
  // CUDA only: gradient times factor [], a float32 beside it, in place. Nothing is moved where the
  // factor is 1, and nothing waits to see it.
  m.def("scale_(Tensor(a!) gradient, Tensor factor) -> ()");
}
