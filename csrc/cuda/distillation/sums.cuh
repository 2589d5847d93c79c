// The sums over a row of logits that distillation on CUDA needs. Symbols, formulas and their
// reasons: csrc/cpu/distillation_terms.h, which this follows, in float32.
//
// Row sums are kept beside the maxima that they are relative to, and without the ones that the
// maxima themselves add: next to a 1, a float32 would lose what the others add.

#pragma once

#include <cfloat>

#include "../block.cuh"
#include "../launchers.h"

namespace simclr_bench {
namespace {

using Kind = DistillationKind;
using Problem = SimclrBenchDistillation;

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;
constexpr unsigned kAllLanes = 0xffffffff;

// 2^x; 0 where that is below the smallest normal number.
__device__ inline float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// What all rows share.
struct Constants {
  float k;     // 1/τ
  float rate;  // k·log2 e
  float soft_weight;
  float hard_weight;  // of a row, after division by their number where the mean is wanted
  float label_smoothing;
  bool third;   // e1 is not es
  bool smooth;  // Σ dx is needed

  __device__ Constants(const Problem& p, double rows_with_target)
      : k(static_cast<float>(p.inverse_temperature)),
        rate(static_cast<float>(p.inverse_temperature * 1.4426950408889634)),
        soft_weight(static_cast<float>(p.soft_weight)),
        hard_weight(static_cast<float>(p.hard_weight / fmax(1.0, rows_with_target))),
        label_smoothing(p.classes == 1 ? 0 : static_cast<float>(p.label_smoothing)),
        third(p.target != nullptr && p.inverse_temperature != 1),
        smooth(p.target != nullptr && label_smoothing != 0) {}
};

// Of a row's logits. NaN is passed over, and reaches the result through the sums.
struct Maxima {
  float x = -INFINITY;
  float t = -INFINITY;

  __device__ void add(const Maxima& other) {
    x = fmaxf(x, other.x);
    t = fmaxf(t, other.t);
  }
  __device__ Maxima from_lane(int offset) const {
    return {__shfl_xor_sync(kAllLanes, x, offset), __shfl_xor_sync(kAllLanes, t, offset)};
  }
};

struct RowSums {
  float student = 0;  // Σ es, like the next two without the ones
  float teacher = 0;  // Σ et
  float hard = 0;     // Σ e1
  float cross = 0;    // as in csrc/cpu/distillation_terms.h
  float above = 0;    // Σ dx
  int student_ones = 0;
  int teacher_ones = 0;

  __device__ float student_total() const { return student + static_cast<float>(student_ones); }
  __device__ float teacher_total() const { return teacher + static_cast<float>(teacher_ones); }

  __device__ void add(const RowSums& other) {
    student += other.student;
    teacher += other.teacher;
    hard += other.hard;
    cross += other.cross;
    above += other.above;
    student_ones += other.student_ones;
    teacher_ones += other.teacher_ones;
  }
  __device__ RowSums from_lane(int offset) const {
    return {__shfl_xor_sync(kAllLanes, student, offset),
            __shfl_xor_sync(kAllLanes, teacher, offset),
            __shfl_xor_sync(kAllLanes, hard, offset),
            __shfl_xor_sync(kAllLanes, cross, offset),
            __shfl_xor_sync(kAllLanes, above, offset),
            __shfl_xor_sync(kAllLanes, student_ones, offset),
            __shfl_xor_sync(kAllLanes, teacher_ones, offset)};
  }

  // One class. A weight of 0 contributes 0 also where what it weighs is infinite.
  template <Kind kind>
  __device__ void add_class(float dx, float dt, const Constants& constants) {
    const float es = exp2_of(dx * constants.rate);
    const float et = exp2_of(dt * constants.rate);
    const bool student_one = dx == 0;
    const bool teacher_one = dt == 0;
    student_ones += student_one;
    teacher_ones += teacher_one;
    student += student_one ? 0 : es;
    teacher += teacher_one ? 0 : et;
    if (constants.third) hard += student_one ? 0 : exp2_of(dx * kLog2E);
    if constexpr (kind == Kind::kCe) cross += et != 0 ? et * dx : 0;
    if constexpr (kind == Kind::kKl) cross += et != 0 ? et * (dt - dx) : 0;
    if constexpr (kind == Kind::kReverseKl) cross += es != 0 ? es * (dx - dt) : 0;
  }

  // `cross`, of values that change by `step` and of weights that `factor` multiplies: `weight` is
  // their sum. Where nothing is left of them it is 0, whatever was infinite.
  __device__ void raise_cross(float step, float weight, float factor) {
    cross = factor != 0 ? cross * factor + step * (weight * factor) : 0;
  }

  // The same sums, relative to larger maxima; `seen` is how many classes are in `above`.
  template <Kind kind>
  __device__ void raise(const Maxima& from, const Maxima& to, int seen,
                        const Constants& constants) {
    // Finite, so that times 0 it is 0.
    const float x_step = fmaxf(from.x - to.x, -FLT_MAX);
    const float t_step = fmaxf(from.t - to.t, -FLT_MAX);
    const float of_student = exp2_of(x_step * constants.rate);
    const float of_teacher = exp2_of(t_step * constants.rate);
    const float student_weight = student_total();
    const float teacher_weight = teacher_total();
    if constexpr (kind == Kind::kCe) raise_cross(x_step, teacher_weight, of_teacher);
    if constexpr (kind == Kind::kKl) raise_cross(t_step - x_step, teacher_weight, of_teacher);
    if constexpr (kind == Kind::kReverseKl)
      raise_cross(x_step - t_step, student_weight, of_student);
    above += static_cast<float>(seen) * x_step;
    if (to.x > from.x) {
      student = student_weight * of_student;
      hard = (hard + static_cast<float>(student_ones)) * exp2_of(x_step * kLog2E);
      student_ones = 0;
    }
    if (to.t > from.t) {
      teacher = teacher_weight * of_teacher;
      teacher_ones = 0;
    }
  }
};

// jsd: Σ es·lq, Σ et·lp, and of the terms times Z.
struct LogSums {
  float student = 0;
  float teacher = 0;
  float both = 0;

  __device__ void add(const LogSums& other) {
    student += other.student;
    teacher += other.teacher;
    both += other.both;
  }
  __device__ LogSums from_lane(int offset) const {
    return {__shfl_xor_sync(kAllLanes, student, offset),
            __shfl_xor_sync(kAllLanes, teacher, offset), __shfl_xor_sync(kAllLanes, both, offset)};
  }
};

}  // namespace
}  // namespace simclr_bench
