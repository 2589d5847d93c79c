// Distillation of few classes on CUDA: a thread per row, rows by the tile in shared memory, so that
// rows of 5 classes are read and written in whole vectors too. Formulas: terms.cuh.

#pragma once

#include "rows.cuh"

namespace simclr_bench {
namespace {

constexpr int kFewClasses = 16;
constexpr int kTileRows = kRowThreads;

// Rows [first, first + count) of an array to or from a tile, in which a row takes `pitch` floats.
struct Tile {
  int count;
  int classes;
  int pitch;

  // Where element e of the rows, one after the other, is: exact for e below 4096.
  __device__ int place(int e) const {
    const int row = static_cast<int>(e * (65536u / classes + 1) >> 16);
    return row * pitch + e - row * classes;
  }

  template <typename element_t>
  __device__ void load(float* tile, const element_t* rows, int64_t stride) const {
    const int elements = count * classes;
    if (stride != classes) {
      for (int e = threadIdx.x; e < elements; e += kTileRows) {
        const int row = static_cast<int>(e * (65536u / classes + 1) >> 16);
        tile[place(e)] = to_float(rows[row * stride + (e - row * classes)]);
      }
      return;
    }
    constexpr int V = kVector<element_t>;
    for (int e = static_cast<int>(threadIdx.x) * V - misalignment(rows); e < elements;
         e += kTileRows * V) {
      const Vector<element_t> vector = read(rows, e, elements, true);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        if (e + j >= 0 && e + j < elements) tile[place(e + j)] = to_float(vector.values[j]);
      }
    }
  }

  template <typename element_t>
  __device__ void store(const float* tile, element_t* rows) const {
    constexpr int V = kVector<element_t>;
    const int elements = count * classes;
    for (int e = static_cast<int>(threadIdx.x) * V - misalignment(rows); e < elements;
         e += kTileRows * V) {
      float values[V];
#pragma unroll
      for (int j = 0; j < V; ++j) {
        values[j] = e + j >= 0 && e + j < elements ? tile[place(e + j)] : 0;
      }
      write(rows, e, elements, true, values);
    }
  }
};

// One row of a tile: its loss; the gradients take the place of its logits.
template <Kind kind>
__device__ float tile_row(float* x, float* t, int classes, Target target, float upstream,
                          bool gradients, const Constants& constants) {
  Maxima top;
#pragma unroll 1
  for (int c = 0; c < classes; ++c) top.add({x[c], t[c]});
  if (target.is_class) target.logit = x[target.c];
  RowSums sums;
#pragma unroll 1
  for (int c = 0; c < classes; ++c) {
    x[c] -= top.x;
    t[c] -= top.t;
    sums.add_class<kind>(x[c], t[c], constants);
    sums.above += x[c];
  }
  Factors f;
  LogSums logs;
  if constexpr (kind == Kind::kJsd) {
    find_gains(sums, f);
#pragma unroll 1
    for (int c = 0; c < classes; ++c) add_logs(logs, terms_of<kind>(x[c], t[c], f, constants), f);
  }
  const float loss = finish_row<kind>(sums, logs, target, top.x, upstream, classes, constants, f);
#pragma unroll 1
  for (int c = 0; gradients && c < classes; ++c) {
    const Terms terms = terms_of<kind>(x[c], t[c], f, constants);
    float of_student = student_gradient<kind>(terms, f);
    if (target.exists) of_student += hard_gradient(terms, c, target.c, f, constants);
    x[c] = of_student;
    t[c] = teacher_gradient<kind>(terms, f);
  }
  return loss;
}

template <typename element_t, Kind kind>
__global__ void __launch_bounds__(kTileRows) few_classes(const __grid_constant__ Problem p) {
  // An odd pitch: the threads of a warp meet all banks.
  __shared__ float x[kTileRows * (kFewClasses + 1)];
  __shared__ float t[kTileRows * (kFewClasses + 1)];
  const Constants constants(p, rows_with_target(p));
  const int classes = static_cast<int>(p.classes);
  const int pitch = classes | 1;
  Losses losses(p);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kTileRows; first < p.rows;
       first += static_cast<int64_t>(gridDim.x) * kTileRows) {
    const int64_t left = p.rows - first;
    const Tile tile = {left < kTileRows ? static_cast<int>(left) : kTileRows, classes, pitch};
    tile.load(x, static_cast<const element_t*>(p.student) + first * p.student_stride,
              p.student_stride);
    tile.load(t, static_cast<const element_t*>(p.teacher) + first * p.teacher_stride,
              p.teacher_stride);
    __syncthreads();
    if (threadIdx.x < tile.count) {
      const int64_t b = first + threadIdx.x;
      const float upstream = p.upstream ? p.upstream[b * p.upstream_stride] : 1;
      losses.add(b, tile_row<kind>(x + threadIdx.x * pitch, t + threadIdx.x * pitch, classes,
                                   target_of(p, b), upstream, p.grad_student || p.grad_teacher,
                                   constants));
    }
    __syncthreads();
    if (p.grad_student) tile.store(x, static_cast<element_t*>(p.grad_student) + first * classes);
    if (p.grad_teacher) tile.store(t, static_cast<element_t*>(p.grad_teacher) + first * classes);
    __syncthreads();
  }
  losses.finish();
}

}  // namespace
}  // namespace simclr_bench
