// What the .cu files offer to the .cpp beside them: plain C functions over device pointers that
// enqueue kernels on a stream and return the first error. Contiguous row-major arrays where nothing
// else is said; sizes of at least 1. No torch here, and nothing is allocated here: workspaces come
// from the caller.

#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "../distillation_kind.h"

enum SimclrBenchElement : int32_t {
  kSimclrBenchFloat32 = 0,
  kSimclrBenchFloat16 = 1,
  kSimclrBenchBFloat16 = 2,
};

// What is made of a row's sums: SimclrBenchContrast's objective.
enum SimclrBenchObjective : int32_t {
  kSimclrBenchNTXent = 0,
  kSimclrBenchDecoupled = 1,
  kSimclrBenchInfoNCE = 2,
  kSimclrBenchSupervised = 3,
};

// How many bfloat16 a float32 is taken for: 3, 2 or 1.
enum SimclrBenchPrecision : int32_t {
  kSimclrBenchHighest = 0,
  kSimclrBenchHigh = 1,
  kSimclrBenchMedium = 2,
};

// A contrastive loss of two views, z0 and z1 [B, D]; N = 2B rows. The M rows of `others`
// [2, M / 2, D] are only compared with. Supervised: of z0 alone; B = N rows, and no others.
struct SimclrBenchContrast {
  int64_t pairs;        // B
  int64_t other_pairs;  // M / 2, perhaps 0
  int64_t dim;
  int64_t workspace_bytes;  // for what grows with N²; with fewer than that wants, passes are made
  int64_t
      small_rows;  // up to so many, without others or labels: one kernel per direction, if it fits
  int64_t shared_bytes;   // that a block of the device can have: 99 KiB at least, from 8.0 on
  int64_t wanted_blocks;  // of threads, of kernels for sm_90a that can have any number
  double temperature;
  const double* learned_temperature;  // [] on the device: counts instead; or null
  const int64_t* labels;              // [N] on the device, supervised; else null
  SimclrBenchElement element;
  SimclrBenchPrecision precision;  // of float32 elements
  SimclrBenchObjective objective;
  bool normalize;
  bool hopper;  // the device runs code for sm_90a, and there is some
};

// B rows of logits and what to compute of them. Rows are contiguous, apart by their stride, counted
// in elements. Workspaces: partials, ticket and counts, all needed for a reduced loss.
struct SimclrBenchDistillation {
  const void* student;     // [B, C]
  const void* teacher;     // [B, C]
  const int64_t* target;   // [B]; null: there is no hard term
  const float* upstream;   // [B], multiplies a row's gradients; null: 1
  float* loss;             // [B], weighted, or [] for their sum if there are partials; or null
  void* grad_student;      // [B, C], contiguous, at a multiple of 16 bytes; null: not wanted
  void* grad_teacher;      // [B, C], likewise
  double* partials;        // [kDistillationBlocks]; null: the loss is not reduced
  int64_t* counts;         // [kDistillationBlocks], for more than kDistillationFewTargets rows
  unsigned* ticket;        // [], 0
  int64_t student_stride;  // of rows
  int64_t teacher_stride;
  int64_t upstream_stride;
  int64_t rows;          // B >= 1
  int64_t classes;       // 1 <= C < 2^30
  int64_t ignore_index;  // a target that stands for no hard term
  double inverse_temperature;
  double soft_weight;  // of a row's soft term
  double hard_weight;  // of a row's hard term
  double label_smoothing;
  SimclrBenchElement element;
  simclr_bench::DistillationKind kind;
  bool mean_of_targets;  // hard_weight is divided by the number of rows with a hard term
};

constexpr int kDistillationBlocks = 2048;
constexpr int64_t kDistillationFewTargets = 2048;

extern "C" {

// Bytes of workspace that the forward and the backward want, in all.
cudaError_t simclr_bench_nt_xent_workspace(const SimclrBenchContrast* problem, int64_t* forward,
                                           int64_t* backward);

// loss [N], statistics [3, N]; supervised: [6, N].
cudaError_t simclr_bench_nt_xent_forward(const SimclrBenchContrast* problem, const void* z0,
                                         const void* z1, const void* others, void* workspace,
                                         float* loss, double* statistics, cudaStream_t stream);

// grad [N + M], statistics of as many rows -> grad_z0, grad_z1 [B, D], and grad_temperature [], of
// the rows' own losses, unless null.
cudaError_t simclr_bench_nt_xent_backward(const SimclrBenchContrast* problem, const float* grad,
                                          const void* z0, const void* z1, const void* others,
                                          const double* statistics, void* workspace, void* grad_z0,
                                          void* grad_z1, double* grad_temperature,
                                          cudaStream_t stream);

// Enqueues what a SimclrBenchDistillation says: one kernel, and one more that counts targets where
// there are more than kDistillationFewTargets. shared_limit: bytes of shared memory that a block of
// the device can have.
cudaError_t simclr_bench_distillation(const SimclrBenchDistillation* problem, int64_t shared_limit,
                                      cudaStream_t stream);

// gradient [elements], which begins at a multiple of 16 bytes, times factor []; in place. Nothing
// is read of it or written where the factor is 1.
cudaError_t simclr_bench_scale(void* gradient, SimclrBenchElement element, int64_t elements,
                               const float* factor, cudaStream_t stream);
}
