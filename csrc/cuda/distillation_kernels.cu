// Distillation loss from raw logits on CUDA, forward and backward (SimCLRv2, arXiv:2006.10029,
// Eq. 2). Formulas, gradient and notation: csrc/cpu/distillation.cpp, which this follows.
//
//   in    student x [B, C], teacher t [B, C]    float32, float16 or bfloat16
//   out   loss [B] float32, statistics [4, B] float64; gradient in the dtype of the student
//
// Not stored: either [B, C] probability matrix. Traffic: the forward reads each logit twice (the
// second time from cache for rows of usual length), the backward once.
//
// Parallelization: one block per row, its threads stride over classes; sums along a fixed tree, no
// atomics. Accumulates in float32; the per-row scalars in double.

#include "block.cuh"
#include "launchers.h"

namespace simclr_bench {
namespace {

__device__ float block_max(float value) {
  return block_reduce(value, [](float a, float b) { return fmaxf(a, b); });
}

template <typename element_t>
__device__ float row_max(const element_t* x, int64_t classes) {
  float largest = -INFINITY;  // fmaxf passes over NaN, which reaches the result through the sums
  for (int64_t c = threadIdx.x; c < classes; c += kThreads)
    largest = fmaxf(largest, to_float(x[c]));
  return block_max(largest);
}

template <typename element_t>
__global__ void forward(const element_t* student, const element_t* teacher, int64_t rows,
                        int64_t classes, float k, float* loss, double* statistics) {
  const int64_t b = blockIdx.x;
  const element_t* x = student + b * classes;
  const element_t* t = teacher + b * classes;
  const float x_max = row_max(x, classes);
  const float t_max = row_max(t, classes);
  float x_sum = 0;
  float t_sum = 0;
  float cross = 0;
  for (int64_t c = threadIdx.x; c < classes; c += kThreads) {
    const float above = (to_float(x[c]) - x_max) * k;
    const float weight = expf((to_float(t[c]) - t_max) * k);
    x_sum += expf(above);
    t_sum += weight;
    if (weight != 0) cross += weight * above;  // 0·(-inf) would be NaN
  }
  x_sum = block_sum(x_sum);
  t_sum = block_sum(t_sum);
  cross = block_sum(cross);
  if (threadIdx.x != 0) return;
  const double x_log_sum = log(static_cast<double>(x_sum));
  statistics[b] = x_max;
  statistics[rows + b] = x_log_sum;
  statistics[2 * rows + b] = t_max;
  statistics[3 * rows + b] = log(static_cast<double>(t_sum));
  loss[b] = static_cast<float>(x_log_sum - static_cast<double>(cross) / t_sum);
}

template <typename element_t>
__global__ void backward(const float* grad, const element_t* student, const element_t* teacher,
                         const double* statistics, int64_t rows, int64_t classes, float k,
                         element_t* grad_student) {
  const int64_t b = blockIdx.x;
  const element_t* x = student + b * classes;
  const element_t* t = teacher + b * classes;
  const float x_max = static_cast<float>(statistics[b]);
  const float t_max = static_cast<float>(statistics[2 * rows + b]);
  const float x_scale = static_cast<float>(exp(-statistics[rows + b]));
  const float t_scale = static_cast<float>(exp(-statistics[3 * rows + b]));
  const float scale = grad[b] * k;
  for (int64_t c = threadIdx.x; c < classes; c += kThreads) {
    const float p_student = expf((to_float(x[c]) - x_max) * k) * x_scale;
    const float p_teacher = expf((to_float(t[c]) - t_max) * k) * t_scale;
    grad_student[b * classes + c] = from_float<element_t>(scale * (p_student - p_teacher));
  }
}

template <typename element_t>
void launch_forward(const void* student, const void* teacher, int64_t rows, int64_t classes,
                    double temperature, float* loss, double* statistics, cudaStream_t stream) {
  forward<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(
      static_cast<const element_t*>(student), static_cast<const element_t*>(teacher), rows, classes,
      static_cast<float>(1 / temperature), loss, statistics);
}

template <typename element_t>
void launch_backward(const float* grad, const void* student, const void* teacher,
                     const double* statistics, int64_t rows, int64_t classes, double temperature,
                     void* grad_student, cudaStream_t stream) {
  backward<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(
      grad, static_cast<const element_t*>(student), static_cast<const element_t*>(teacher),
      statistics, rows, classes, static_cast<float>(1 / temperature),
      static_cast<element_t*>(grad_student));
}

}  // namespace
}  // namespace simclr_bench

using namespace simclr_bench;

extern "C" cudaError_t simclr_bench_distillation_forward(const void* student, const void* teacher,
                                                         SimclrBenchElement element, int64_t rows,
                                                         int64_t classes, double temperature,
                                                         float* loss, double* statistics,
                                                         cudaStream_t stream) {
  const auto launch = element == kSimclrBenchFloat16    ? launch_forward<__half>
                      : element == kSimclrBenchBFloat16 ? launch_forward<__nv_bfloat16>
                                                        : launch_forward<float>;
  launch(student, teacher, rows, classes, temperature, loss, statistics, stream);
  return cudaGetLastError();
}

extern "C" cudaError_t simclr_bench_distillation_backward(const float* grad, const void* student,
                                                          const void* teacher,
                                                          const double* statistics,
                                                          SimclrBenchElement element, int64_t rows,
                                                          int64_t classes, double temperature,
                                                          void* grad_student, cudaStream_t stream) {
  const auto launch = element == kSimclrBenchFloat16    ? launch_backward<__half>
                      : element == kSimclrBenchBFloat16 ? launch_backward<__nv_bfloat16>
                                                        : launch_backward<float>;
  launch(grad, student, teacher, statistics, rows, classes, temperature, grad_student, stream);
  return cudaGetLastError();
}
