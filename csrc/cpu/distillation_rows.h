// Distillation one row at a time, a vector of its classes at a time. Formulas and symbols:
// distillation_terms.h.
//
// A thread keeps es, et, e1 (for jsd lq and lp too) of one row; logits are read twice, the second
// time from the cache. Sums are in T over at most kBlock classes and in double above that.
//
// Loops over a row take its last classes as one full vector that ends with the row and so repeats
// classes already done. That changes no maximum and no elementwise result; where it would count
// twice, those lanes are -inf.

#pragma once

#include "distillation_terms.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

constexpr int64_t kBlock = 1024;

template <typename T>
struct Row {
  const T* x;
  const T* t;
  T* es;
  T* et;
  T* e1;  // may be es
  T* lq;
  T* lp;
  int64_t classes;
};

template <typename T>
SIMCLR_BENCH_INLINE T largest(const T* x, int64_t classes) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> a = load(x);
  Vec<T> b = load(x + classes - L);
  for (int64_t c = L; c + 2 * L <= classes; c += 2 * L) {
    a = larger<T>(load(x + c), a);
    b = larger<T>(load(x + c + L), b);
  }
  if (classes >= 2 * L) b = larger<T>(load(x + classes - 2 * L), b);
  return largest_lane<T>(larger<T>(a, b));
}

template <typename T>
SIMCLR_BENCH_INLINE void add_to(RowSums& total, const VectorSums<T>& sums) {
  const double student_ones = sum_of_lanes<T>(sums.count(sums.student_ones));
  const double teacher_ones = sum_of_lanes<T>(sums.count(sums.teacher_ones));
  total.student += student_ones + sum_of_lanes<T>(sums.student);
  total.teacher += teacher_ones + sum_of_lanes<T>(sums.teacher);
  total.hard += student_ones + sum_of_lanes<T>(sums.hard);
  total.cross += sum_of_lanes<T>(sums.cross);
}

template <Kind kind, bool kThird, typename T>
SIMCLR_BENCH_INLINE RowSums exponentials(const Row<T>& row, T x_max, T t_max, T rate) {
  constexpr int64_t L = kLanes<T>;
  const int64_t whole = row.classes / L * L;
  RowSums total;
  if (whole < row.classes) {  // first, because it leaves zeros where the loop then stores
    const int64_t c = row.classes - L;
    const Mask<T> repeated = lane_numbers<T>() < static_cast<T>(whole - c);
    const Vec<T> dx = repeated ? broadcast(-kInfinity<T>) : load(row.x + c) - x_max;
    const Vec<T> dt = repeated ? broadcast(-kInfinity<T>) : load(row.t + c) - t_max;
    VectorSums<T> sums;
    exponentials_of<kind, kThird, T>(dx, dt, rate, row.es + c, row.et + c, row.e1 + c, sums);
    add_to(total, sums);
  }
  for (int64_t begin = 0; begin < whole; begin += kBlock) {
    const int64_t end = smaller(begin + kBlock, whole);
    VectorSums<T> sums;
    for (int64_t c = begin; c < end; c += L) {
      __builtin_prefetch(row.x + row.classes + c);  // the next row; past the last it does nothing
      __builtin_prefetch(row.t + row.classes + c);
      exponentials_of<kind, kThird, T>(load(row.x + c) - x_max, load(row.t + c) - t_max, rate,
                                       row.es + c, row.et + c, row.e1 + c, sums);
    }
    add_to(total, sums);
  }
  return total;
}

// Reads es and et up to whole vectors: what lies behind the row must be 0.
template <typename T>
SIMCLR_BENCH_INLINE void jsd_pass(const Row<T>& row, RowSums& total) {
  constexpr int64_t L = kLanes<T>;
  const Vec<T> a = broadcast(static_cast<T>(gain(total.student, total.teacher)));
  const Vec<T> b = broadcast(static_cast<T>(gain(total.teacher, total.student)));
  for (int64_t begin = 0; begin < row.classes; begin += kBlock) {
    const int64_t end = smaller(begin + kBlock, row.classes);
    Vec<T> student{}, teacher{}, both{};
    for (int64_t c = begin; c < end; c += L) {
      const JsdTerms<T> terms = jsd_terms<T>(load(row.es + c), load(row.et + c), a, b);
      store<T>(row.lq + c, terms.lq);
      store<T>(row.lp + c, terms.lp);
      student += terms.student;
      teacher += terms.teacher;
      both += terms.both;
    }
    total.student_log += sum_of_lanes<T>(student);
    total.teacher_log += sum_of_lanes<T>(teacher);
    total.cross += sum_of_lanes<T>(both);
  }
}

template <Kind kind, bool kHard, typename T>
SIMCLR_BENCH_INLINE void gradients_of(const Row<T>& row, int64_t c, Vec<T> x_max, Vec<T> t_max,
                                      const Vec<T>* f, T* grad_student, T* grad_teacher) {
  Terms<T> terms;
  terms.es = load(row.es + c);
  terms.et = load(row.et + c);
  terms.dx = load(row.x + c) - x_max;  // dead code where the kind does not use it
  terms.dt = load(row.t + c) - t_max;
  if constexpr (kind == Kind::kJsd) {
    terms.lq = load(row.lq + c);
    terms.lp = load(row.lp + c);
  }
  if (grad_student != nullptr) {
    Vec<T> g = student_gradient<kind, T>(terms, f);
    if constexpr (kHard) g += load(row.e1 + c) * f[kHardScale] - f[kSmoothing];
    store<T>(grad_student + c, g);
  }
  if (grad_teacher != nullptr) {
    store<T>(grad_teacher + c, teacher_gradient<kind, T>(terms, f));
  }
}

template <Kind kind, bool kHard, typename T>
SIMCLR_BENCH_INLINE void gradients(const Row<T>& row, T x_max, T t_max, const T* factors,
                                   T* grad_student, T* grad_teacher) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> f[kFactors];
  for (int64_t i = 0; i < kFactors; ++i) f[i] = broadcast(factors[i]);
  const Vec<T> x_maxima = broadcast(x_max);
  const Vec<T> t_maxima = broadcast(t_max);
  for (int64_t c = 0; c + L <= row.classes; c += L) {
    gradients_of<kind, kHard, T>(row, c, x_maxima, t_maxima, f, grad_student, grad_teacher);
  }
  gradients_of<kind, kHard, T>(row, row.classes - L, x_maxima, t_maxima, f, grad_student,
                               grad_teacher);
}

template <Kind kind, typename T>
SIMCLR_BENCH_INLINE void many_classes(const DistillationProblem<T>& p, int64_t begin, int64_t end,
                                      T* scratch) {
  const int64_t classes = p.classes;
  const int64_t stride = distillation_stride(classes);
  const bool third = needs_third_exponential(p);
  const T rate = static_cast<T>(p.inverse_temperature * kLog2E);
  Row<T> row;
  row.classes = classes;
  row.es = scratch;
  row.et = scratch + stride;
  row.e1 = third ? scratch + 2 * stride : row.es;
  row.lq = scratch + 3 * stride;
  row.lp = scratch + 4 * stride;
  for (int64_t c = classes; c < stride; ++c) row.es[c] = row.et[c] = 0;
  for (int64_t b = begin; b < end; ++b) {
    row.x = p.student + b * classes;
    row.t = p.teacher + b * classes;
    const T x_max = largest(row.x, classes);
    const T t_max = largest(row.t, classes);
    RowSums sums = third ? exponentials<kind, true>(row, x_max, t_max, rate)
                         : exponentials<kind, false>(row, x_max, t_max, rate);
    if (!third) sums.hard = sums.student;
    if constexpr (kind == Kind::kJsd) jsd_pass(row, sums);
    T factors[kFactors];
    finish_row<kind>(p, b, row.x, x_max, sums, factors);
    T* grad_student = p.grad_student == nullptr ? nullptr : p.grad_student + b * classes;
    T* grad_teacher = p.grad_teacher == nullptr ? nullptr : p.grad_teacher + b * classes;
    if (grad_student == nullptr && grad_teacher == nullptr) continue;
    if (has_hard_term(p, b)) {
      gradients<kind, true>(row, x_max, t_max, factors, grad_student, grad_teacher);
    } else {
      gradients<kind, false>(row, x_max, t_max, factors, grad_student, grad_teacher);
    }
    if (grad_student != nullptr) subtract_target(p, b);
  }
}

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
