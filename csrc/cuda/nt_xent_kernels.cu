// NT-Xent from raw embeddings on CUDA, forward and backward (SimCLR, arXiv:2002.05709, Eq. 1).
// Formulas, gradient and notation: csrc/cpu/contrast.cpp, which this follows.
//
//   in    z0, z1 [B, D]   float32, float16 or bfloat16; N = 2B rows
//   out   loss [N] float32, statistics [3, N] float64; gradients in the dtype of the inputs
//
// Not stored: any N x N matrix. The forward keeps a softmax sum per thread and row; the backward
// computes the similarities once more, 8 x 256 at a time. Memory: the normalized rows and their
// transpose in float32, and the gradient with respect to them: 3·N·D floats.
//
// Parallelization: one block per 8 rows i; its threads stride over j and read the transpose, so
// that neighbouring threads read neighbouring addresses. No atomics: results are bitwise
// repeatable. s_ij and s_ji are the same sum over d in the same order, hence equal, and (s_ij -
// m_j) <= 0 holds exactly. Products and sums in float32; the per-row scalars in double.

#include <cfloat>

#include "block.cuh"
#include "launchers.h"

namespace simclr_bench {
namespace {

constexpr float kEpsilon = 1e-12f;  // torch.nn.functional.normalize's
constexpr int kRows = 8;  // rows per block: each element of the transpose read serves 8 sums

__device__ int64_t pair_of(int64_t i, int64_t pairs) { return i < pairs ? i + pairs : i - pairs; }

// One block per row.
template <typename element_t>
__global__ void unit_rows(const element_t* z0, const element_t* z1, int64_t pairs, int64_t dim,
                          bool normalize, float* rows, float* columns, float* norms) {
  const int64_t i = blockIdx.x;
  const int64_t n = 2 * pairs;
  const element_t* z = i < pairs ? z0 + i * dim : z1 + (i - pairs) * dim;
  float norm = 1;
  if (normalize) {
    // Squares are taken of z / max|z|: they neither overflow nor underflow.
    float largest = 0;
    for (int64_t d = threadIdx.x; d < dim; d += kThreads) {
      const float x = fabsf(to_float(z[d]));
      largest = x > largest || x != x ? x : largest;
    }
    largest = block_reduce(largest, [](float a, float b) { return a > b || a != a ? a : b; });
    const float unit = largest > 0 ? largest : 1.0f;
    float squares = 0;
    for (int64_t d = threadIdx.x; d < dim; d += kThreads) {
      const float x = to_float(z[d]) / unit;
      squares += x * x;
    }
    norm = unit * sqrtf(block_sum(squares));
    if (largest != largest) norm = largest;
  }
  const float divisor = norm < kEpsilon ? kEpsilon : norm;
  for (int64_t d = threadIdx.x; d < dim; d += kThreads) {
    const float x = to_float(z[d]) / divisor;
    rows[i * dim + d] = x;
    columns[d * n + i] = x;
  }
  if (threadIdx.x == 0) norms[i] = norm;
}

// similarity[r] = u_(first + r) · u_j. Rows past the end repeat the last one; nobody reads them.
__device__ void similarities(const float* rows, const float* columns, int64_t first, int64_t j,
                             int64_t n, int64_t dim, float (&similarity)[kRows]) {
  const float* row[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    row[r] = rows + (first + r < n ? first + r : n - 1) * dim;
    similarity[r] = 0;
  }
  for (int64_t d = 0; d < dim; ++d) {
    const float x = columns[d * n + j];
#pragma unroll
    for (int r = 0; r < kRows; ++r) similarity[r] = fmaf(row[r][d], x, similarity[r]);
  }
}

__global__ void forward(const float* rows, const float* columns, int64_t pairs, int64_t dim,
                        double k, float* loss, double* statistics) {
  const int64_t n = 2 * pairs;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kRows;
  const float float_k = static_cast<float>(k);
  __shared__ float positives[kRows];
  SoftmaxSum sums[kRows];
  for (int64_t j = threadIdx.x; j < n; j += kThreads) {
    float similarity[kRows];
    similarities(rows, columns, first, j, n, dim, similarity);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t i = first + r;
      if (i >= n || j == i) continue;
      if (j == pair_of(i, pairs)) {
        positives[r] = similarity[r];
      } else {
        sums[r].add(similarity[r], float_k);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const SoftmaxSum sum = block_reduce(sums[r], [float_k](SoftmaxSum a, const SoftmaxSum& b) {
      a.merge(b, float_k);
      return a;
    });
    const int64_t i = first + r;
    if (threadIdx.x != 0 || i >= n) continue;
    const double log_sum = log(static_cast<double>(sum.s));
    const double gap = (static_cast<double>(sum.m) - positives[r]) * k + log_sum;
    statistics[i] = sum.m;
    statistics[n + i] = log_sum;
    statistics[2 * n + i] = positives[r];
    // gap = -inf without negatives (B = 1): exactly 0.
    loss[i] = static_cast<float>((gap > 0 ? gap : gap != gap ? gap : 0.0) + log1p(exp(-fabs(gap))));
  }
}

// coefficients[i] = c_i·exp(-a_i) and coefficients[n + i] = c_i, with c_i = g_i·σ(d_i).
__global__ void row_coefficients(const float* grad, const double* statistics, int64_t n, double k,
                                 float* coefficients) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n) return;
  const double log_sum = statistics[n + i];
  const double gap = (statistics[i] - statistics[2 * n + i]) * k + log_sum;
  const double e = exp(-fabs(gap));
  const double upstream = grad[i] * ((gap < 0 ? e : 1.0) / (1 + e));
  coefficients[i] = isinf(log_sum) ? 0.0f : static_cast<float>(upstream * exp(-log_sum));
  coefficients[n + i] = static_cast<float>(upstream);
}

// Blocks (x, y): rows 8x.. and columns 256y.. of ∂L/∂u. Wide rows recompute the similarities once
// per 256 columns.
__global__ void backward(const float* rows, const float* columns, const double* statistics,
                         const float* coefficients, int64_t pairs, int64_t dim, double k,
                         float* grad_rows) {
  const int64_t n = 2 * pairs;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kRows;
  const int64_t d = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  const float float_k = static_cast<float>(k);
  __shared__ float weights[kRows][kThreads];
  float sum[kRows] = {};
  for (int64_t begin = 0; begin < n; begin += kThreads) {
    const int64_t j = begin + threadIdx.x;
    float similarity[kRows] = {};
    if (j < n) similarities(rows, columns, first, j, n, dim, similarity);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t i = first + r;
      float weight = 0;
      if (j < n && i < n && j != i) {
        if (j == pair_of(i, pairs)) {
          weight = -(coefficients[n + i] + coefficients[n + j]);
        } else {
          const float above_i = similarity[r] - static_cast<float>(statistics[i]);
          const float above_j = similarity[r] - static_cast<float>(statistics[j]);
          weight =
              coefficients[i] * expf(above_i * float_k) + coefficients[j] * expf(above_j * float_k);
        }
      }
      weights[r][threadIdx.x] = weight;
    }
    __syncthreads();
    if (d < dim) {
      float part[kRows] = {};  // sums of 256 terms, then a sum of those: fewer roundings
      const int64_t count = n - begin < kThreads ? n - begin : kThreads;
      for (int64_t t = 0; t < count; ++t) {
        const float x = rows[(begin + t) * dim + d];
#pragma unroll
        for (int r = 0; r < kRows; ++r) part[r] = fmaf(weights[r][t], x, part[r]);
      }
#pragma unroll
      for (int r = 0; r < kRows; ++r) sum[r] += part[r];
    }
    __syncthreads();
  }
  if (d >= dim) return;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (first + r < n) grad_rows[(first + r) * dim + d] = sum[r] * float_k;
  }
}

// The chain rule through u = z / max(|z|, epsilon). One block per row.
template <typename element_t>
__global__ void project(const float* grad_rows, const float* rows, const float* norms,
                        int64_t pairs, int64_t dim, bool normalize, element_t* grad_z0,
                        element_t* grad_z1) {
  const int64_t i = blockIdx.x;
  const float* du = grad_rows + i * dim;
  const float* u = rows + i * dim;
  element_t* dz = i < pairs ? grad_z0 + i * dim : grad_z1 + (i - pairs) * dim;
  const float norm = norms[i];
  float along = 0;
  if (normalize && !(norm < kEpsilon)) {
    for (int64_t d = threadIdx.x; d < dim; d += kThreads) along += du[d] * u[d];
    along = block_sum(along);
  }
  const float divisor = norm < kEpsilon ? kEpsilon : norm;
  for (int64_t d = threadIdx.x; d < dim; d += kThreads) {
    dz[d] = from_float<element_t>((du[d] - along * u[d]) / divisor);
  }
}

template <typename element_t>
void launch_unit_rows(const void* z0, const void* z1, int64_t pairs, int64_t dim, bool normalize,
                      float* rows, float* columns, float* norms, cudaStream_t stream) {
  unit_rows<<<static_cast<unsigned>(2 * pairs), kThreads, 0, stream>>>(
      static_cast<const element_t*>(z0), static_cast<const element_t*>(z1), pairs, dim, normalize,
      rows, columns, norms);
}

template <typename element_t>
void launch_project(const float* grad_rows, const float* rows, const float* norms, int64_t pairs,
                    int64_t dim, bool normalize, void* grad_z0, void* grad_z1,
                    cudaStream_t stream) {
  project<<<static_cast<unsigned>(2 * pairs), kThreads, 0, stream>>>(
      grad_rows, rows, norms, pairs, dim, normalize, static_cast<element_t*>(grad_z0),
      static_cast<element_t*>(grad_z1));
}

unsigned blocks(int64_t count, int64_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

}  // namespace
}  // namespace simclr_bench

using namespace simclr_bench;

extern "C" cudaError_t simclr_bench_unit_rows(const void* z0, const void* z1,
                                              SimclrBenchElement element, int64_t pairs,
                                              int64_t dim, bool normalize, float* rows,
                                              float* columns, float* norms, cudaStream_t stream) {
  const auto launch = element == kSimclrBenchFloat16    ? launch_unit_rows<__half>
                      : element == kSimclrBenchBFloat16 ? launch_unit_rows<__nv_bfloat16>
                                                        : launch_unit_rows<float>;
  launch(z0, z1, pairs, dim, normalize, rows, columns, norms, stream);
  return cudaGetLastError();
}

extern "C" cudaError_t simclr_bench_nt_xent_forward(const float* rows, const float* columns,
                                                    int64_t pairs, int64_t dim, double temperature,
                                                    float* loss, double* statistics,
                                                    cudaStream_t stream) {
  forward<<<blocks(2 * pairs, kRows), kThreads, 0, stream>>>(rows, columns, pairs, dim,
                                                             1 / temperature, loss, statistics);
  return cudaGetLastError();
}

extern "C" cudaError_t simclr_bench_nt_xent_backward(
    const float* grad, const float* rows, const float* columns, const float* norms,
    const double* statistics, int64_t pairs, int64_t dim, double temperature, bool normalize,
    float* coefficients, float* grad_rows, SimclrBenchElement element, void* grad_z0, void* grad_z1,
    cudaStream_t stream) {
  const int64_t n = 2 * pairs;
  const double k = 1 / temperature;
  row_coefficients<<<blocks(n, kThreads), kThreads, 0, stream>>>(grad, statistics, n, k,
                                                                 coefficients);
  if (const cudaError_t error = cudaGetLastError()) return error;
  const dim3 grid(blocks(n, kRows), blocks(dim, kThreads));
  backward<<<grid, kThreads, 0, stream>>>(rows, columns, statistics, coefficients, pairs, dim, k,
                                          grad_rows);
  if (const cudaError_t error = cudaGetLastError()) return error;
  const auto launch = element == kSimclrBenchFloat16    ? launch_project<__half>
                      : element == kSimclrBenchBFloat16 ? launch_project<__nv_bfloat16>
                                                        : launch_project<float>;
  launch(grad_rows, rows, norms, pairs, dim, normalize, grad_z0, grad_z1, stream);
  return cudaGetLastError();
}
