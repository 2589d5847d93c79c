// Distillation from raw logits on CUDA: row losses, their sum and, in the same pass, the gradients.
// Formulas: csrc/cpu/distillation_terms.h. One class and one row: terms.cuh. Kernels:
// tile.cuh for few classes, schedules.cuh. Here: which of them a problem
// gets, and two small ones beside them.
//
//   in    student [B, C], teacher [B, C]    float32, float16 or bfloat16; target [B] or none
//   out   loss [] or [B] float32; gradients in the dtype of the logits
//
// Not stored: any [B, C] matrix but the gradients. Traffic: each logit is read once and each
// gradient written once; rows that no shared memory holds are read twice if a gradient is wanted,
// also where it is that of row losses: their sums are not saved for it.
//
// Computes in float32; adds up row losses in double.

#include "schedules.cuh"
#include "tile.cuh"

namespace simclr_bench {
namespace {

// How many rows have a hard term, in parts that the other kernel adds up.
__global__ void __launch_bounds__(kRowThreads) count_targets(const __grid_constant__ Problem p) {
  double rows = 0;
  for (int64_t b = static_cast<int64_t>(blockIdx.x) * kRowThreads + threadIdx.x; b < p.rows;
       b += static_cast<int64_t>(gridDim.x) * kRowThreads) {
    rows += p.target[b] != p.ignore_index;
  }
  rows = block_total(rows);
  if (threadIdx.x == 0) p.counts[blockIdx.x] = static_cast<int64_t>(rows);
}

template <typename element_t>
__global__ void __launch_bounds__(kRowThreads)
    scale(element_t* gradient, int64_t elements, const float* factor) {
  const float by = *factor;
  if (by == 1) return;
  constexpr int V = kVector<element_t>;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kRowThreads * V;
  int64_t i = (static_cast<int64_t>(blockIdx.x) * kRowThreads + threadIdx.x) * V;
  for (; i + V <= elements; i += step) {
    uint4* const place = reinterpret_cast<uint4*>(gradient + i);
    const uint4 bits = *place;
    Vector<element_t> vector;
    memcpy(&vector, &bits, sizeof bits);
    float values[V];
#pragma unroll
    for (int j = 0; j < V; ++j) values[j] = to_float(vector.values[j]) * by;
    write(gradient + i, 0, V, true, values);
  }
  for (; i < elements; ++i) gradient[i] = from_float<element_t>(to_float(gradient[i]) * by);
}

template <typename element_t, Kind kind>
cudaError_t launch_long_rows(const Problem& p, int64_t shared_limit, cudaStream_t stream) {
  constexpr int V = kVector<element_t>;
  const auto kernel = long_rows<element_t, kind>;
  const bool again = p.grad_student || p.grad_teacher || kind == Kind::kJsd;
  const int64_t vectors = (p.classes + V - 2) / V + 1;  // of the most misaligned row
  const int64_t bytes = 2 * 16 * vectors;
  constexpr int64_t kStaticBytes = 4096;  // more than the kernel has
  if (!again || bytes + kStaticBytes > shared_limit) {
    kernel<<<blocks_for(p.rows, 1), kLongRowThreads, 0, stream>>>(p, 0);
    return cudaGetLastError();
  }
  return launch_with_memory(kernel, blocks_for(p.rows, 1), kLongRowThreads, bytes, stream, p,
                            static_cast<int>(vectors));
}

template <typename element_t, Kind kind>
cudaError_t launch(const Problem& p, int64_t shared_limit, cudaStream_t stream) {
  if (p.classes <= kFewClasses) {
    few_classes<element_t, kind><<<blocks_for(p.rows, kTileRows), kTileRows, 0, stream>>>(p);
    return cudaGetLastError();
  }
  const int64_t elements = p.classes + kVector<element_t> - 1;  // of the most misaligned row
  int lanes = 4;
  while (lanes * kPerThread < elements && lanes < kRowThreads) lanes *= 2;
  if (lanes * kPerThread < elements)
    return launch_long_rows<element_t, kind>(p, shared_limit, stream);
  rows_in_registers<element_t, kind>
      <<<blocks_for(p.rows, kRowThreads / lanes), kRowThreads, 0, stream>>>(p, lanes);
  return cudaGetLastError();
}

template <typename element_t>
cudaError_t launch_kind(const Problem& p, int64_t shared_limit, cudaStream_t stream) {
  switch (p.kind) {
    case Kind::kCe:
      return launch<element_t, Kind::kCe>(p, shared_limit, stream);
    case Kind::kKl:
      return launch<element_t, Kind::kKl>(p, shared_limit, stream);
    case Kind::kReverseKl:
      return launch<element_t, Kind::kReverseKl>(p, shared_limit, stream);
    case Kind::kJsd:
      return launch<element_t, Kind::kJsd>(p, shared_limit, stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace
}  // namespace simclr_bench

using namespace simclr_bench;

extern "C" cudaError_t simclr_bench_distillation(const SimclrBenchDistillation* problem,
                                                 int64_t shared_limit, cudaStream_t stream) {
  const SimclrBenchDistillation& p = *problem;
  if (p.mean_of_targets && p.rows > kDistillationFewTargets) {
    count_targets<<<blocks_for(p.rows, kRowThreads), kRowThreads, 0, stream>>>(p);
    if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) return error;
  }
  const auto run = p.element == kSimclrBenchFloat16    ? launch_kind<__half>
                   : p.element == kSimclrBenchBFloat16 ? launch_kind<__nv_bfloat16>
                                                       : launch_kind<float>;
  return run(p, shared_limit, stream);
}

extern "C" cudaError_t simclr_bench_scale(void* gradient, SimclrBenchElement element,
                                          int64_t elements, const float* factor,
                                          cudaStream_t stream) {
  const unsigned blocks = blocks_for(elements, kRowThreads * 8);
  if (element == kSimclrBenchFloat16) {
    scale<<<blocks, kRowThreads, 0, stream>>>(static_cast<__half*>(gradient), elements, factor);
  } else if (element == kSimclrBenchBFloat16) {
    scale<<<blocks, kRowThreads, 0, stream>>>(static_cast<__nv_bfloat16*>(gradient), elements,
                                              factor);
  } else {
    scale<<<blocks, kRowThreads, 0, stream>>>(static_cast<float*>(gradient), elements, factor);
  }
  return cudaGetLastError();
}
