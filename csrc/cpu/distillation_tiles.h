// Distillation of few classes. Formulas and symbols: distillation_terms.h.
//
// As many rows at a time as a vector has lanes, class by class: for C = 5 a row would leave most
// of a vector empty. Rows past the last are all 0 and are not stored.

#pragma once

#include "distillation_terms.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

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

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
