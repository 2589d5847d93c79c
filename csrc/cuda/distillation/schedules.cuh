// Distillation of more than a few classes on CUDA: the losses of rows and, if wanted, their
// gradients.
//
//   rows_in_registers   4 to 256 threads per row, its logits in their registers: read once
//   long_rows           a block per row, maxima found on the way: read once for the loss; again for
//                       the gradients, from shared memory where the row fits
//
// Every sum has one order, whatever runs first: results are bitwise repeatable.

#pragma once

#include "rows.cuh"

namespace simclr_bench {
namespace {

constexpr int kPerThread = 8;  // classes, in registers

// `lanes` neighbouring threads take a row of at most kPerThread times as many classes, its first
// vector's misaligned head included.
template <typename element_t, Kind kind>
__global__ void __launch_bounds__(kRowThreads, 2)
    rows_in_registers(const __grid_constant__ Problem p, int lanes) {
  constexpr int V = kVector<element_t>;
  constexpr int N = kPerThread / V;
  __shared__ Maxima maxima[kMostWarps];
  __shared__ RowSums row_sums[kMostWarps];
  __shared__ LogSums log_sums[kMostWarps];
  const Constants constants(p, rows_with_target(p));
  const int teams = kRowThreads / lanes;
  const int team = static_cast<int>(threadIdx.x) / lanes;
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  Losses losses(p);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * teams; first < p.rows;
       first += static_cast<int64_t>(gridDim.x) * teams) {
    const int64_t b = first + team;
    const Row<element_t> row(p, b);
    const int begin = row.begin + lane * V;  // of this thread's first vector
    const int step = lanes * V;

    Vector<element_t> student[N];
    Vector<element_t> teacher[N];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (begin + i * step >= row.classes) continue;
      student[i] = row.read_student(begin + i * step);
      teacher[i] = row.read_teacher(begin + i * step);
    }

    float x[N][V];
    float t[N][V];
    Maxima top;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (begin + i * step >= row.classes) continue;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        x[i][j] = to_float(student[i].values[j]);
        t[i][j] = to_float(teacher[i].values[j]);
        top.add({x[i][j], t[i][j]});
      }
    }
    reduce(top, lanes, maxima);

    RowSums sums;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const int c = begin + i * step;
      if (c >= row.classes) continue;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        x[i][j] -= top.x;
        t[i][j] -= top.t;
        sums.add_class<kind>(x[i][j], t[i][j], constants);
        if (constants.smooth && c + j >= 0 && c + j < row.classes) sums.above += x[i][j];
      }
    }
    reduce(sums, lanes, row_sums);

    Factors f;
    LogSums logs;
    if constexpr (kind == Kind::kJsd) {
      find_gains(sums, f);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        if (begin + i * step >= row.classes) continue;
#pragma unroll
        for (int j = 0; j < V; ++j) {
          add_logs(logs, terms_of<kind>(x[i][j], t[i][j], f, constants), f);
        }
      }
      reduce(logs, lanes, log_sums);
    }
    const float loss =
        finish_row<kind>(sums, logs, row.target, top.x, row.upstream, row.classes, constants, f);
    if (lane == 0 && b < p.rows) losses.add(b, loss);
    if (!p.grad_student && !p.grad_teacher) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (begin + i * step >= row.classes) continue;
      row.template write_gradients<kind>(begin + i * step, x[i], t[i], f, constants);
    }
  }
  losses.finish();
}

// kept: the vectors of a row that stay in shared memory, where each thread comes back to its own; 0
// if the row does not fit or is not needed again. Kept rows leave no room for a second block.
template <typename element_t, Kind kind>
__global__ void __launch_bounds__(kLongRowThreads, 1)
    long_rows(const __grid_constant__ Problem p, int kept) {
  constexpr int V = kVector<element_t>;
  extern __shared__ uint4 dynamic[];
  __shared__ Maxima maxima[kMostWarps];
  __shared__ RowSums row_sums[kMostWarps];
  __shared__ LogSums log_sums[kMostWarps];
  Vector<element_t>* const kept_student = reinterpret_cast<Vector<element_t>*>(dynamic);
  Vector<element_t>* const kept_teacher = kept_student + kept;
  const Constants constants(p, rows_with_target(p));
  Losses losses(p);
  for (int64_t b = blockIdx.x; b < p.rows; b += gridDim.x) {
    const Row<element_t> row(p, b);
    const int begin = row.begin + static_cast<int>(threadIdx.x) * V;
    constexpr int kStep = kLongRowThreads * V;

    Maxima top = {-FLT_MAX, -FLT_MAX};  // finite: a difference to it is no NaN
    RowSums sums;
    int seen = 0;
    int at = static_cast<int>(threadIdx.x);
#pragma unroll 1
    for (int c = begin; c < row.classes; c += kStep, at += kLongRowThreads) {
      const Vector<element_t> student = row.read_student(c);
      const Vector<element_t> teacher = row.read_teacher(c);
      if (kept) {
        kept_student[at] = student;
        kept_teacher[at] = teacher;
      }
      Maxima now = top;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        now.add({to_float(student.values[j]), to_float(teacher.values[j])});
      }
      if (now.x > top.x || now.t > top.t) {
        sums.raise<kind>(top, now, seen, constants);
        top = now;
      }
      RowSums few;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const float dx = to_float(student.values[j]) - top.x;
        few.add_class<kind>(dx, to_float(teacher.values[j]) - top.t, constants);
        if (c + j >= 0 && c + j < row.classes) {
          few.above += dx;
          ++seen;
        }
      }
      sums.add(few);
    }
    const Maxima mine = top;
    reduce(top, kLongRowThreads, maxima);
    sums.raise<kind>(mine, top, seen, constants);
    reduce(sums, kLongRowThreads, row_sums);

    // Of this thread's vector of classes from c on: dx and dt.
    const auto again = [&](int c, float(&dx)[V], float(&dt)[V]) {
      const int at = (c - row.begin) / V;
      const Vector<element_t> student = kept ? kept_student[at] : row.read_student(c);
      const Vector<element_t> teacher = kept ? kept_teacher[at] : row.read_teacher(c);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        dx[j] = to_float(student.values[j]) - top.x;
        dt[j] = to_float(teacher.values[j]) - top.t;
      }
    };
    float dx[V];
    float dt[V];
    Factors f;
    LogSums logs;
    if constexpr (kind == Kind::kJsd) {
      find_gains(sums, f);
#pragma unroll 1
      for (int c = begin; c < row.classes; c += kStep) {
        again(c, dx, dt);
        LogSums few;
#pragma unroll
        for (int j = 0; j < V; ++j) add_logs(few, terms_of<kind>(dx[j], dt[j], f, constants), f);
        logs.add(few);
      }
      reduce(logs, kLongRowThreads, log_sums);
    }
    const float loss =
        finish_row<kind>(sums, logs, row.target, top.x, row.upstream, row.classes, constants, f);
    if (threadIdx.x == 0) losses.add(b, loss);
    if (!p.grad_student && !p.grad_teacher) continue;
#pragma unroll 1
    for (int c = begin; c < row.classes; c += kStep) {
      again(c, dx, dt);
      row.template write_gradients<kind>(c, dx, dt, f, constants);
    }
  }
  losses.finish();
}

}  // namespace
}  // namespace simclr_bench
