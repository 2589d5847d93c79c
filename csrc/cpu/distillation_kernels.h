// Distillation from raw logits, vectorised: row losses and, in the same pass, their gradients.
//
//   in    student [B, C], teacher [B, C], target [B] or none
//   out   loss [B]; gradients [B, C] of the student and of the teacher, each if wanted
//
// Formulas: distillation_terms.h. Loops: distillation_rows.h and, for few classes,
// distillation_tiles.h. Not stored: any [B, C] matrix but the gradients.
//
// Every sum has one order for an instruction set, whatever the thread.

#pragma once

#include "distillation_rows.h"
#include "distillation_tiles.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <Kind kind, typename T>
void rows_of_kind(const DistillationProblem<T>& p, int64_t begin, int64_t end, T* scratch) {
  if (p.classes > kFewClasses) {
    many_classes<kind>(p, begin, end, scratch);
  } else {
    few_classes<kind>(p, begin, end);
  }
}

template <typename T>
void rows(const DistillationProblem<T>& p, int64_t begin, int64_t end, T* scratch) {
  const FlushDenormals flush;
  switch (p.kind) {
    case Kind::kCe:
      return rows_of_kind<Kind::kCe>(p, begin, end, scratch);
    case Kind::kKl:
      return rows_of_kind<Kind::kKl>(p, begin, end, scratch);
    case Kind::kReverseKl:
      return rows_of_kind<Kind::kReverseKl>(p, begin, end, scratch);
    case Kind::kJsd:
      return rows_of_kind<Kind::kJsd>(p, begin, end, scratch);
  }
}

}  // namespace

extern constexpr DistillationKernels kDistillation = {&rows<float>, &rows<double>};

}  // namespace simclr_bench::SIMCLR_BENCH_ISA
