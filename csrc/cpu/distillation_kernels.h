// Distillation from raw logits, vectorised: row losses and, in the same pass, their gradients.
//
//   in    student [B, C], teacher [B, C], target [B] or none
//   out   loss [B]; gradients [B, C] of the student and of the teacher, each if wanted
//
// Formulas and symbols: distillation_terms.h.
//
// Not stored: any [B, C] matrix but the gradients. A thread keeps es, et, e1 (for jsd lq and lp
// too) of one row; logits are read twice, the second time from the cache.
//
// Sums are in T over at most kBlock classes and in double above that, in one order for an
// instruction set and whatever the thread. The exponentials that are 1, at the maximum, are counted
// apart: next to them a float32 would lose what the others add.

#pragma once

#include "distillation.h"
#include "distillation_terms.h"
#include "simd.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

constexpr int64_t kBlock = 1024;

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

// One row at a time, a vector of its classes at a time.
//
// Loops over a row take its last classes as one full vector that ends with the row and so repeats
// classes already done. That changes no maximum and no elementwise result; where it would count
// twice, those lanes are -inf.
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

// As many rows at a time as a vector has lanes, class by class: for C = 5 a row would leave most
// of a vector empty. Rows past the last are all 0 and are not stored.
template <typename T>
struct Tile {
  T values[kFewClasses][kLanes<T>];

  SIMCLR_BENCH_INLINE Vec<T> at(int64_t c) const { return load(values[c]); }
};

template <typename T>
struct TileBuffers {
  Tile<T> dx, dt, es, et, e1, lq, lp;
};

template <typename T>
SIMCLR_BENCH_INLINE void read_tile(Tile<T>& tile, const T* rows, int64_t count, int64_t classes) {
  for (int64_t c = 0; c < classes; ++c) store<T>(tile.values[c], Vec<T>{});
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < classes; ++c) tile.values[c][r] = rows[r * classes + c];
  }
}

template <typename T>
SIMCLR_BENCH_INLINE void write_tile(const Tile<T>& tile, T* rows, int64_t count, int64_t classes) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < classes; ++c) rows[r * classes + c] = tile.values[c][r];
  }
}

// The sums of each row of a tile, and what their finishing leaves.
template <typename T>
struct TileSums {
  T x_max[kLanes<T>];
  RowSums rows[kLanes<T>];
  T factors[kFactors][kLanes<T>];
};

template <Kind kind, bool kThird, typename T>
SIMCLR_BENCH_INLINE void tile_exponentials(const DistillationProblem<T>& p, TileBuffers<T>& tile,
                                           TileSums<T>& out) {
  const T rate = static_cast<T>(p.inverse_temperature * kLog2E);
  Vec<T> x_max = tile.dx.at(0);
  Vec<T> t_max = tile.dt.at(0);
  for (int64_t c = 1; c < p.classes; ++c) {
    x_max = larger<T>(tile.dx.at(c), x_max);
    t_max = larger<T>(tile.dt.at(c), t_max);
  }
  store<T>(out.x_max, x_max);
  VectorSums<T> sums;
  for (int64_t c = 0; c < p.classes; ++c) {
    const Vec<T> dx = tile.dx.at(c) - x_max;
    const Vec<T> dt = tile.dt.at(c) - t_max;
    store<T>(tile.dx.values[c], dx);
    store<T>(tile.dt.values[c], dt);
    exponentials_of<kind, kThird, T>(dx, dt, rate, tile.es.values[c], tile.et.values[c],
                                     tile.e1.values[c], sums);
  }
  const Vec<T> student_ones = sums.count(sums.student_ones);
  const Vec<T> teacher_ones = sums.count(sums.teacher_ones);
  for (int64_t r = 0; r < kLanes<T>; ++r) {
    RowSums& row = out.rows[r];
    row.student = static_cast<double>(student_ones[r]) + sums.student[r];
    row.teacher = static_cast<double>(teacher_ones[r]) + sums.teacher[r];
    row.hard = kThird ? static_cast<double>(student_ones[r]) + sums.hard[r] : row.student;
    row.cross = sums.cross[r];
  }
}

template <typename T>
SIMCLR_BENCH_INLINE void tile_jsd(int64_t classes, TileBuffers<T>& tile, TileSums<T>& out) {
  T gains[2][kLanes<T>];
  for (int64_t r = 0; r < kLanes<T>; ++r) {
    gains[0][r] = static_cast<T>(gain(out.rows[r].student, out.rows[r].teacher));
    gains[1][r] = static_cast<T>(gain(out.rows[r].teacher, out.rows[r].student));
  }
  const Vec<T> a = load(gains[0]);
  const Vec<T> b = load(gains[1]);
  Vec<T> student{}, teacher{}, both{};
  for (int64_t c = 0; c < classes; ++c) {
    const JsdTerms<T> terms = jsd_terms<T>(tile.es.at(c), tile.et.at(c), a, b);
    store<T>(tile.lq.values[c], terms.lq);
    store<T>(tile.lp.values[c], terms.lp);
    student += terms.student;
    teacher += terms.teacher;
    both += terms.both;
  }
  for (int64_t r = 0; r < kLanes<T>; ++r) {
    out.rows[r].student_log = student[r];
    out.rows[r].teacher_log = teacher[r];
    out.rows[r].cross = both[r];
  }
}

// The gradients of a tile, in place of dx and dt.
template <Kind kind, typename T>
SIMCLR_BENCH_INLINE void tile_gradients(const DistillationProblem<T>& p, TileBuffers<T>& tile,
                                        const Tile<T>& e1, const TileSums<T>& sums) {
  Vec<T> f[kFactors];
  for (int64_t i = 0; i < kFactors; ++i) f[i] = load(sums.factors[i]);
  for (int64_t c = 0; c < p.classes; ++c) {
    Terms<T> terms;
    terms.es = tile.es.at(c);
    terms.et = tile.et.at(c);
    terms.dx = tile.dx.at(c);
    terms.dt = tile.dt.at(c);
    if constexpr (kind == Kind::kJsd) {
      terms.lq = tile.lq.at(c);
      terms.lp = tile.lp.at(c);
    }
    Vec<T> g = student_gradient<kind, T>(terms, f);
    if (p.target != nullptr) g += e1.at(c) * f[kHardScale] - f[kSmoothing];
    store<T>(tile.dx.values[c], g);
    if (p.grad_teacher != nullptr) {
      store<T>(tile.dt.values[c], teacher_gradient<kind, T>(terms, f));
    }
  }
}

template <Kind kind, typename T>
SIMCLR_BENCH_INLINE void few_classes(const DistillationProblem<T>& p, int64_t begin, int64_t end) {
  const int64_t classes = p.classes;
  const bool third = needs_third_exponential(p);
  TileBuffers<T> tile;
  TileSums<T> sums;
  for (int64_t b = begin; b < end; b += kLanes<T>) {
    const int64_t count = smaller(kLanes<T>, end - b);
    read_tile(tile.dx, p.student + b * classes, count, classes);
    read_tile(tile.dt, p.teacher + b * classes, count, classes);
    if (third) {
      tile_exponentials<kind, true>(p, tile, sums);
    } else {
      tile_exponentials<kind, false>(p, tile, sums);
    }
    if constexpr (kind == Kind::kJsd) tile_jsd(classes, tile, sums);
    for (int64_t i = 0; i < kFactors; ++i) store<T>(sums.factors[i], Vec<T>{});
    for (int64_t r = 0; r < count; ++r) {
      T factors[kFactors];
      const T* x = p.student + (b + r) * classes;
      finish_row<kind>(p, b + r, x, sums.x_max[r], sums.rows[r], factors);
      for (int64_t i = 0; i < kFactors; ++i) sums.factors[i][r] = factors[i];
    }
    if (p.grad_student == nullptr && p.grad_teacher == nullptr) continue;
    tile_gradients<kind>(p, tile, third ? tile.e1 : tile.es, sums);
    if (p.grad_student != nullptr) {
      write_tile(tile.dx, p.grad_student + b * classes, count, classes);
      for (int64_t r = 0; r < count; ++r) subtract_target(p, b + r);
    }
    if (p.grad_teacher != nullptr) {
      write_tile(tile.dt, p.grad_teacher + b * classes, count, classes);
    }
  }
}

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
