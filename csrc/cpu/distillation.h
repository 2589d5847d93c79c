// What csrc/cpu/distillation.cpp asks of the vectorised kernels, which are compiled once per
// instruction set; see distillation_kernels.h. Plain data only: this is included by files compiled
// for several instruction sets.

#pragma once

#include <cstdint>

#include "../distillation_kind.h"

namespace simclr_bench {

// B rows of logits and what to compute of them. T is float or double.
template <typename T>
struct DistillationProblem {
  const T* student;       // [B, C]
  const T* teacher;       // [B, C]
  const int64_t* target;  // [B], each in [0, C) or ignore_index; null: there is no hard term
  int64_t classes;        // C
  DistillationKind kind;
  double inverse_temperature;
  double soft_weight;  // of a row's soft term
  double hard_weight;  // of a row's hard term
  double label_smoothing;
  int64_t ignore_index;
  const double* upstream;  // [B], multiplies a row's gradients; null: 1
  double* loss;            // [B], weighted; null: not wanted
  T* grad_student;         // [B, C]; null: not wanted
  T* grad_teacher;         // [B, C]; null: not wanted
};

// Rows [begin, end); scratch is one thread's own, of distillation_scratch(C) elements.
template <typename T>
using DistillationRows = void (*)(const DistillationProblem<T>& problem, int64_t begin, int64_t end,
                                  T* scratch);

struct DistillationKernels {
  DistillationRows<float> float32;
  DistillationRows<double> float64;
};

// Up to so many classes, a vector holds one class of several rows instead of one row's classes.
constexpr int64_t kFewClasses = 16;

// Five arrays of C, each padded to whole vectors of any width.
constexpr int64_t distillation_stride(int64_t classes) { return (classes + 15) / 16 * 16; }
constexpr int64_t distillation_scratch(int64_t classes) { return 5 * distillation_stride(classes); }

namespace baseline {
extern const DistillationKernels kDistillation;
}
#if defined(__x86_64__)
namespace avx2 {
extern const DistillationKernels kDistillation;
}
namespace avx512 {
extern const DistillationKernels kDistillation;
}
#endif

}  // namespace simclr_bench
