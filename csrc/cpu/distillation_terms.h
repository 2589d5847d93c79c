// The formulas of distillation from raw logits, for a vector of classes and for a finished row.
//
//   in    student x [B, C], teacher t [B, C], target y [B] or none
//   out   loss [B]; gradients [B, C] of the student and of the teacher, each if wanted
//
//   k     = 1/τ
//   dx    = x - max x               dt  = t - max t
//   es    = exp(dx·k)               et  = exp(dt·k)              e1  = exp(dx)
//   Zs    = Σ es                    Zt  = Σ et                   Z1  = Σ e1
//   q     = es / Zs                 p   = et / Zt                m   = (p + q) / 2
//
//   kind        soft term                          its gradients, over k
//   ce          log Zs - k·Σ p·dx                  student q - p,  teacher k·p·(M - dx), M = Σ p·dx
//   kl          k·M + log(Zs/Zt)                   student q - p,  teacher k·p·(dt - dx - M),
//                                                                  M = Σ p·(dt - dx)
//   reverse_kl  k·M + log(Zt/Zs)                   teacher p - q,  student k·q·(dx - dt - M),
//                                                                  M = Σ q·(dx - dt)
//   jsd         Σ (p·lp + q·lq) / 2                student q·(lq - Σ q·lq) / 2, teacher alike,
//                                                                  lq = log(q/m), lp = log(p/m)
//
//   hard term   log Z1 - (1 - ε)·dx_y - ε/C·Σ dx   gradient e1/Z1 - (1 - ε)·[c = y] - ε/C
//
// A class of probability 0 contributes 0, also where a logarithm is infinite.
//
// q - p is formed over the larger normaliser Z = max(Zs, Zt) as
//
//   q - p = (es - et + es·a - et·b) / Z     a = Z/Zs - 1,  b = Z/Zt - 1
//
// One of a and b is 0. Where student and teacher are equal this is exactly 0, with fused
// multiply-adds and without, and so are the divergences; where they nearly are, es - et is exact.
//
// Where the loops are: distillation_kernels.h.

#pragma once

#include "distillation.h"
#include "simd.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

using Kind = DistillationKind;

constexpr double kLog2E = 1.4426950408889634;

// Over the classes of a row. `cross` is the sum whose mean is M above; for jsd that of its terms
// times Z.
struct RowSums {
  double student = 0;
  double teacher = 0;
  double hard = 0;
  double cross = 0;
  double student_log = 0;  // jsd: Σ es·lq
  double teacher_log = 0;  // jsd: Σ et·lp
};

// What the gradients of a row need beside its exponentials.
enum Factor {
  kStudentGain,  // a
  kTeacherGain,  // b
  kDifferenceScale,
  kStudentMean,
  kStudentScale,
  kTeacherMean,
  kTeacherScale,
  kHardScale,
  kSmoothing,
  kFactors
};

// One class each of one row, or one class of several rows.
template <typename T>
struct Terms {
  Vec<T> es, et, dx, dt, lq, lp;
};

template <Kind kind, typename T>
SIMCLR_BENCH_INLINE Vec<T> cross_term(Vec<T> es, Vec<T> et, Vec<T> dx, Vec<T> dt) {
  if constexpr (kind == Kind::kCe) return keep<T>(et != T(0), et * dx);
  if constexpr (kind == Kind::kKl) return keep<T>(et != T(0), et * (dt - dx));
  if constexpr (kind == Kind::kReverseKl) return keep<T>(es != T(0), es * (dx - dt));
  return Vec<T>{};
}

template <typename T>
struct JsdTerms {
  Vec<T> lq, lp, student, teacher, both;
};

// (q - p)·Z
template <typename T>
SIMCLR_BENCH_INLINE Vec<T> difference(Vec<T> es, Vec<T> et, Vec<T> a, Vec<T> b) {
  return es - et + es * a - et * b;
}

template <typename T>
SIMCLR_BENCH_INLINE JsdTerms<T> jsd_terms(Vec<T> es, Vec<T> et, Vec<T> a, Vec<T> b) {
  const Vec<T> q = es + es * a;
  const Vec<T> p = et + et * b;
  const Vec<T> inverse = T(1) / (q + p);
  const Vec<T> x = difference<T>(es, et, a, b) * inverse;
  JsdTerms<T> out;
  out.lq = keep<T>(es != T(0), log_of(T(2) * q * inverse, x));
  out.lp = keep<T>(et != T(0), log_of(T(2) * p * inverse, -x));
  out.student = es * out.lq;
  out.teacher = et * out.lp;
  out.both = q * out.lq + p * out.lp;
  return out;
}

// a of `own`, b of the other: by how much to enlarge what has the smaller normaliser.
SIMCLR_BENCH_INLINE double gain(double own, double other) {
  return own >= other ? 0 : (other - own) / own;  // NaN passes
}

// Over vectors of classes. The exponentials that are 1, at the maximum, are counted apart: next to
// them a float32 would lose what the others add.
template <typename T>
struct VectorSums {
  Vec<T> student{}, teacher{}, hard{}, cross{};  // but for the ones
  Mask<T> student_ones{}, teacher_ones{};        // how many, negative

  static SIMCLR_BENCH_INLINE Vec<T> count(Mask<T> ones) {
    return -__builtin_convertvector(ones, Vec<T>);
  }
};

// Stores es, et and, if kThird, e1 of a vector of logits; adds them to the sums.
template <Kind kind, bool kThird, typename T>
SIMCLR_BENCH_INLINE void exponentials_of(Vec<T> dx, Vec<T> dt, T rate, T* es_out, T* et_out,
                                         T* e1_out, VectorSums<T>& sums) {
  const Vec<T> es = exp2_of(dx * rate);
  const Vec<T> et = exp2_of(dt * rate);
  const Mask<T> student_ones = dx == T(0);
  const Mask<T> teacher_ones = dt == T(0);
  store<T>(es_out, es);
  store<T>(et_out, et);
  sums.student_ones += student_ones;
  sums.teacher_ones += teacher_ones;
  sums.student += keep<T>(~student_ones, es);
  sums.teacher += keep<T>(~teacher_ones, et);
  sums.cross += cross_term<kind, T>(es, et, dx, dt);
  if constexpr (kThird) {
    const Vec<T> e1 = exp2_of(dx * static_cast<T>(kLog2E));
    store<T>(e1_out, e1);
    sums.hard += keep<T>(~student_ones, e1);
  }
}

template <Kind kind, typename T>
SIMCLR_BENCH_INLINE Vec<T> student_gradient(const Terms<T>& c, const Vec<T>* f) {
  if constexpr (kind == Kind::kReverseKl) {
    const Vec<T> above = c.dx - c.dt - f[kStudentMean];
    return keep<T>(c.es != T(0), c.es * above * f[kStudentScale]);
  } else if constexpr (kind == Kind::kJsd) {
    return c.es * (c.lq - f[kStudentMean]) * f[kStudentScale];
  } else {
    return difference<T>(c.es, c.et, f[kStudentGain], f[kTeacherGain]) * f[kDifferenceScale];
  }
}

template <Kind kind, typename T>
SIMCLR_BENCH_INLINE Vec<T> teacher_gradient(const Terms<T>& c, const Vec<T>* f) {
  if constexpr (kind == Kind::kReverseKl) {
    return difference<T>(c.es, c.et, f[kStudentGain], f[kTeacherGain]) * -f[kDifferenceScale];
  } else if constexpr (kind == Kind::kJsd) {
    return c.et * (c.lp - f[kTeacherMean]) * f[kTeacherScale];
  } else {
    const Vec<T> above = (kind == Kind::kCe ? -c.dx : c.dt - c.dx) - f[kTeacherMean];
    return keep<T>(c.et != T(0), c.et * above * f[kTeacherScale]);
  }
}

template <typename T>
SIMCLR_BENCH_INLINE bool has_hard_term(const DistillationProblem<T>& p, int64_t row) {
  return p.target != nullptr && p.target[row] != p.ignore_index;
}

// Whether e1 is anything but es.
template <typename T>
SIMCLR_BENCH_INLINE bool needs_third_exponential(const DistillationProblem<T>& p) {
  return p.target != nullptr && p.inverse_temperature != 1;
}

// Stores the row's loss and fills its factors. x is the row, of which x_max is the largest.
template <Kind kind, typename T>
SIMCLR_BENCH_INLINE void finish_row(const DistillationProblem<T>& p, int64_t row, const T* x,
                                    T x_max, const RowSums& z, T* f) {
  const double k = p.inverse_temperature;
  const double upstream = p.upstream == nullptr ? 1 : p.upstream[row];
  const double scale = upstream * p.soft_weight * k;
  const double of_student = 1 / z.student;
  const double of_teacher = 1 / z.teacher;
  const double larger_sum = z.student >= z.teacher ? z.student : z.teacher;
  double soft;
  double student_mean = 0;
  double teacher_mean = 0;
  double student_scale = scale * of_student;
  double teacher_scale = scale * of_teacher;
  if constexpr (kind == Kind::kCe) {
    teacher_mean = -z.cross * of_teacher;
    soft = __builtin_log(z.student) + k * teacher_mean;
    teacher_scale *= k;
  } else if constexpr (kind == Kind::kKl) {
    teacher_mean = z.cross * of_teacher;
    soft = k * teacher_mean + __builtin_log(z.student / z.teacher);
    teacher_scale *= k;
  } else if constexpr (kind == Kind::kReverseKl) {
    student_mean = z.cross * of_student;
    soft = k * student_mean + __builtin_log(z.teacher / z.student);
    student_scale *= k;
  } else {
    student_mean = z.student_log * of_student;
    teacher_mean = z.teacher_log * of_teacher;
    soft = z.cross / larger_sum / 2;
    student_scale /= 2;
    teacher_scale /= 2;
  }

  double loss = p.soft_weight * soft;
  double hard_scale = 0;
  double smoothing = 0;
  if (has_hard_term(p, row)) {
    const double smooth = p.label_smoothing / static_cast<double>(p.classes);
    double hard = __builtin_log(z.hard);
    hard -= (1 - p.label_smoothing) * (static_cast<double>(x[p.target[row]]) - x_max);
    if (smooth != 0) {
      double sum = 0;
      for (int64_t c = 0; c < p.classes; ++c) sum += static_cast<double>(x[c]) - x_max;
      hard -= smooth * sum;
    }
    loss += p.hard_weight * hard;
    hard_scale = upstream * p.hard_weight / z.hard;
    smoothing = upstream * p.hard_weight * smooth;
  }
  if (p.loss != nullptr) p.loss[row] = loss;
  f[kStudentGain] = static_cast<T>(gain(z.student, z.teacher));
  f[kTeacherGain] = static_cast<T>(gain(z.teacher, z.student));
  f[kDifferenceScale] = static_cast<T>(scale / larger_sum);
  f[kStudentMean] = static_cast<T>(student_mean);
  f[kStudentScale] = static_cast<T>(student_scale);
  f[kTeacherMean] = static_cast<T>(teacher_mean);
  f[kTeacherScale] = static_cast<T>(teacher_scale);
  f[kHardScale] = static_cast<T>(hard_scale);
  f[kSmoothing] = static_cast<T>(smoothing);
}

// The rest of the hard term's gradient: at the true class.
template <typename T>
SIMCLR_BENCH_INLINE void subtract_target(const DistillationProblem<T>& p, int64_t row) {
  if (!has_hard_term(p, row)) return;
  const double upstream = p.upstream == nullptr ? 1 : p.upstream[row];
  T& at_target = p.grad_student[row * p.classes + p.target[row]];
  at_target -= static_cast<T>(upstream * p.hard_weight * (1 - p.label_smoothing));
}

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
