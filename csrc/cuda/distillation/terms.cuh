// The formulas of distillation on CUDA, for one class and for a finished row. Symbols, formulas and
// their reasons: csrc/cpu/distillation_terms.h, which this follows, in float32.

#pragma once

#include "sums.cuh"

namespace simclr_bench {
namespace {

// What the gradients of a row need beside its logits.
struct Factors {
  float student_gain;  // a
  float teacher_gain;  // b
  float difference_scale;
  float student_mean;
  float student_scale;
  float teacher_mean;
  float teacher_scale;
  float hard_scale;
  float smoothing;
  float target_share;  // of the true class
};

// By how much to enlarge `own` where it is the smaller sum; NaN passes.
__device__ inline float gain(float own, float other, float difference) {
  return own >= other ? 0 : difference / own;
}

// The two that the logarithms of jsd need.
__device__ inline void find_gains(const RowSums& z, Factors& f) {
  const float student = z.student_total();
  const float teacher = z.teacher_total();
  const float difference =
      static_cast<float>(z.student_ones - z.teacher_ones) + (z.student - z.teacher);
  f.student_gain = gain(student, teacher, -difference);
  f.teacher_gain = gain(teacher, student, difference);
}

// log(Zs/Zt), from the gains: one of them is 0.
__device__ inline float log_quotient(const Factors& f) {
  const float size = log1pf(f.teacher_gain + f.student_gain);
  return f.teacher_gain != 0 ? size : -size;
}

// One class.
struct Terms {
  float es, et, dx, dt;
  float lq, lp;  // jsd only
};

// (q - p)·Z
__device__ inline float difference(const Terms& c, const Factors& f) {
  return c.es - c.et + c.es * f.student_gain - c.et * f.teacher_gain;
}

// log(1 + x) and log(1 - x) from x and those sums, each of which has digits that x has lost.
__device__ inline void logarithms(float x, float plus, float minus, float& of_plus,
                                  float& of_minus) {
  const bool large = fabsf(x) > 0.25f;
  const float s = x * x;
  const float odd =
      x * (1 + s * (1.f / 3 + s * (1.f / 5 + s * (1.f / 7 + s * (1.f / 9 + s * (1.f / 11))))));
  const float even =
      s * (1.f / 2 + s * (1.f / 4 + s * (1.f / 6 + s * (1.f / 8 + s * (1.f / 10 + s / 12)))));
  of_plus = large ? __log2f(plus) * kLn2 : odd - even;
  of_minus = large ? __log2f(minus) * kLn2 : -odd - even;
}

template <Kind kind>
__device__ Terms terms_of(float dx, float dt, const Factors& f, const Constants& constants) {
  Terms c = {exp2_of(dx * constants.rate), exp2_of(dt * constants.rate), dx, dt, 0, 0};
  if constexpr (kind == Kind::kJsd) {
    const float q = c.es + c.es * f.student_gain;
    const float p = c.et + c.et * f.teacher_gain;
    const float inverse = 1 / (q + p);
    float lq;
    float lp;
    logarithms(difference(c, f) * inverse, 2 * q * inverse, 2 * p * inverse, lq, lp);
    c.lq = c.es != 0 ? lq : 0;
    c.lp = c.et != 0 ? lp : 0;
  }
  return c;
}

__device__ inline void add_logs(LogSums& sums, const Terms& c, const Factors& f) {
  const float student = c.es * c.lq;
  const float teacher = c.et * c.lp;
  sums.student += student;
  sums.teacher += teacher;
  sums.both += student + student * f.student_gain + (teacher + teacher * f.teacher_gain);
}

template <Kind kind>
__device__ float student_gradient(const Terms& c, const Factors& f) {
  if constexpr (kind == Kind::kReverseKl) {
    return c.es != 0 ? c.es * (c.dx - c.dt - f.student_mean) * f.student_scale : 0;
  } else if constexpr (kind == Kind::kJsd) {
    return c.es * (c.lq - f.student_mean) * f.student_scale;
  } else {
    return difference(c, f) * f.difference_scale;
  }
}

template <Kind kind>
__device__ float teacher_gradient(const Terms& c, const Factors& f) {
  if constexpr (kind == Kind::kReverseKl) {
    return difference(c, f) * -f.difference_scale;
  } else if constexpr (kind == Kind::kJsd) {
    return c.et * (c.lp - f.teacher_mean) * f.teacher_scale;
  } else {
    const float above = kind == Kind::kCe ? -c.dx : c.dt - c.dx;
    return c.et != 0 ? c.et * (above - f.teacher_mean) * f.teacher_scale : 0;
  }
}

// What the hard term adds to the student's gradient at class c.
__device__ inline float hard_gradient(const Terms& terms, int c, int target, const Factors& f,
                                      const Constants& constants) {
  const float e1 = constants.third ? exp2_of(terms.dx * kLog2E) : terms.es;
  return e1 * f.hard_scale - f.smoothing - (c == target ? f.target_share : 0);
}

// The hard term of a row.
struct Target {
  bool exists = false;
  bool is_class = false;
  int c = 0;
  float logit = 0;
};

// Fills the factors of a row and returns its loss.
template <Kind kind>
__device__ float finish_row(const RowSums& z, const LogSums& logs, const Target& target,
                            float x_max, float upstream, int classes, const Constants& constants,
                            Factors& f) {
  const float student = z.student_total();
  const float teacher = z.teacher_total();
  const float larger = student >= teacher ? student : teacher;
  const float k = constants.k;
  const float scale = upstream * constants.soft_weight * k;
  find_gains(z, f);
  f.difference_scale = scale / larger;
  f.student_mean = 0;
  f.student_scale = scale / student;
  f.teacher_mean = 0;
  f.teacher_scale = scale / teacher;
  const float log_student = log1pf(static_cast<float>(z.student_ones - 1) + z.student);
  float soft;
  if constexpr (kind == Kind::kCe) {
    f.teacher_mean = -z.cross / teacher;
    soft = log_student + k * f.teacher_mean;
    f.teacher_scale *= k;
  } else if constexpr (kind == Kind::kKl) {
    f.teacher_mean = z.cross / teacher;
    soft = k * f.teacher_mean + log_quotient(f);
    f.teacher_scale *= k;
  } else if constexpr (kind == Kind::kReverseKl) {
    f.student_mean = z.cross / student;
    soft = k * f.student_mean - log_quotient(f);
    f.student_scale *= k;
  } else {
    f.student_mean = logs.student / student;
    f.teacher_mean = logs.teacher / teacher;
    soft = logs.both / larger / 2;
    f.student_scale /= 2;
    f.teacher_scale /= 2;
  }
  float loss = constants.soft_weight * soft;
  if (target.exists) {
    const float smoothing = constants.label_smoothing / static_cast<float>(classes);
    const float kept = 1 - constants.label_smoothing;
    const float weight = upstream * constants.hard_weight;
    const float hard_sum = static_cast<float>(z.student_ones) + z.hard;
    float hard =
        constants.third ? log1pf(static_cast<float>(z.student_ones - 1) + z.hard) : log_student;
    hard -= kept * (target.logit - x_max);
    if (constants.smooth) hard -= smoothing * z.above;
    loss += constants.hard_weight * hard;
    f.hard_scale = target.is_class ? weight / (constants.third ? hard_sum : student) : NAN;
    f.smoothing = weight * smoothing;
    f.target_share = weight * kept;
  }
  return loss;
}

}  // namespace
}  // namespace simclr_bench
