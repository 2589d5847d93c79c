// The operators this library adds to PyTorch, and nothing else. Backends register their kernels
// with TORCH_LIBRARY_IMPL in their own files; fake kernels and autograd formulas live in
// simclr_bench/losses/*/fused.py.
//
// B pairs, N = 2B rows: row i is z0[i] for i < B and z1[i - B] for i >= B. `loss` is float64 for
// float64 inputs and float32 for all others; `statistics` is float64 always; gradients have the
// dtype of the inputs.

#include <torch/library.h>

TORCH_LIBRARY(simclr_bench, m) {
  // loss [N]. statistics [3, N]: the largest similarity among a row's negatives, the log of the sum
  // of exponentials above it, and the similarity of its positive.
  m.def(
      "nt_xent_forward(Tensor z0, Tensor z1, float temperature, bool normalize)"
      " -> (Tensor loss, Tensor statistics)");
  // grad [N] is the upstream gradient of each row's loss; the results are [B, D] each.
  m.def(
      "nt_xent_backward(Tensor grad, Tensor z0, Tensor z1, Tensor statistics, float temperature,"
      " bool normalize) -> (Tensor grad_z0, Tensor grad_z1)");
  // loss [B], without the factor T². statistics [4, B]: the maximum and the log of the sum of
  // exponentials above it, for the student's row and then for the teacher's.
  m.def(
      "distillation_forward(Tensor student, Tensor teacher, float temperature)"
      " -> (Tensor loss, Tensor statistics)");
  // grad [B]; the result is the student's gradient [B, C]. The teacher gets none.
  m.def(
      "distillation_backward(Tensor grad, Tensor student, Tensor teacher, Tensor statistics,"
      " float temperature) -> Tensor");
}
