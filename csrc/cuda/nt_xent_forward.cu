// The contrastive losses on CUDA: sums over the negatives of each row, and the losses made of them.
// Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md beside this file.
//
//   in    rows as pack_rows leaves them
//   out   loss [N] float32; statistics [3, N] float64: m_i, log n_i with m_i·k taken out of it,
//   s_ip
//
// Not stored: any N x N matrix. S is symmetric: only tiles on and above the diagonal are computed,
// each of which gives sums of its rows and, if above, of its columns.
//
// Parallelization: one block per 128 x 128 tile. It writes its sums to a workspace, from where they
// are added up in a fixed order: no atomics, results are bitwise repeatable. To bound the workspace
// there are passes, each over the tiles of some row blocks.

#include "nt_xent_tile.cuh"

namespace simclr_bench {
namespace {

// The tiles of one pass: those of row blocks first .. first + count - 1.
struct Pass {
  bool towers;  // rows of the first view, columns of the second; else all on and above the diagonal
  int64_t first, count;

  // Tiles per two row blocks, the q-th and the q-th from the end: as many for all q.
  __host__ __device__ int64_t tiles_of_two(const Layout& layout) const {
    return towers ? 2 * layout.view_blocks : 2 * (layout.blocks() - first) - count + 1;
  }
};

struct Tile {
  int64_t row_block, column_block;
};

// False where the row block in the middle has nothing to pair with.
__device__ bool find_tile(const Pass& pass, const Layout& layout, int64_t number, Tile& tile) {
  const int64_t two = pass.tiles_of_two(layout);
  const int64_t q = number / two;
  const int64_t offset = number % two;
  const int64_t mirrored = pass.count - 1 - q;
  const int64_t row = pass.first + q;
  const int64_t tiles = pass.towers ? layout.view_blocks : layout.blocks() - row;
  const bool second = offset >= tiles;
  if (second && mirrored == q) return false;
  tile.row_block = second ? pass.first + mirrored : row;
  tile.column_block =
      (pass.towers ? layout.view_blocks : tile.row_block) + (second ? offset - tiles : offset);
  return true;
}

// Σ 2^((s - m)·scale) of a row over one tile, and m, the largest of its s; without maxima m = 0.
struct Partials {
  float* row_sums;     // [blocks, count, kTile]
  float* column_sums;  // [count, own rows]
  float* row_maxima;   // null without
  float* column_maxima;
};

__device__ float largest_of(float x, int first, int last) {
  for (int lanes = first; lanes <= last; lanes *= 2)
    x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, lanes));
  return x;
}

__device__ float sum_of(float x, int first, int last) {
  for (int lanes = first; lanes <= last; lanes *= 2) x += __shfl_xor_sync(0xffffffff, x, lanes);
  return x;
}

// What is taken out of exponents: nothing where nothing counts, for (-inf) - (-inf) is NaN.
__device__ float finite(float maximum) { return maximum == -INFINITY ? 0 : maximum; }

// A row's sums of kCount warps, in shared memory, to one.
template <int kCount, bool kMaxima>
__device__ void write_total(const float* sums, const float* maxima, float scale, int row,
                            float* to_sum, float* to_maximum) {
  float top = -INFINITY;
  if constexpr (kMaxima) {
    for (int i = 0; i < kCount; ++i) top = fmaxf(top, maxima[i * kTile + row]);
    *to_maximum = top;
  }
  float sum = 0;
  for (int i = 0; i < kCount; ++i) {
    const int at = i * kTile + row;
    sum += kMaxima ? sums[at] * exp2_approx((maxima[at] - finite(top)) * scale) : sums[at];
  }
  *to_sum = sum;
}

template <typename Numbers, bool kMaxima>
__global__ void __launch_bounds__(kThreads, TileProducts<Numbers>::kBlocks)
    add_tiles(Contrast c, Pass pass, Partials out) {
  extern __shared__ __align__(128) unsigned char memory[];
  const Layout& layout = c.layout;
  Tile tile;
  if (!find_tile(pass, layout, blockIdx.x, tile)) return;
  Products<Numbers, 2> products;
  TileProducts<Numbers>::add(c, tile.row_block, tile.column_block, memory, products);

  // Similarities, -inf of those that do not count.
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_row = TileProducts<Numbers>::first_row();
  const int first_column = TileProducts<Numbers>::first_column();
  const Negatives negatives(layout, tile.row_block, tile.column_block);
  const bool all = negatives.all();
  const float* row_scales = c.scales + tile.row_block * kTile;
  const float* column_scales = c.scales + tile.column_block * kTile;
  float s[2][8][4];
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int row = first_row + 16 * m + lane / 4 + 8 * (r / 2);
        const int column = first_column + 8 * n + 2 * (lane % 4) + r % 2;
        const float x = products.sum(m, n, r) * (row_scales[row] * column_scales[column]);
        s[m][n][r] = all || negatives.contain(row, column) ? x : -INFINITY;
      }
    }
  }

  const float scale = c.exponent_scale();
  auto* row_sums = reinterpret_cast<float*>(memory);  // [2, kTile], then column sums [4, kTile]
  float* column_sums = row_sums + 2 * kTile;
  float* row_maxima = row_sums + 6 * kTile;
  float* column_maxima = row_sums + 8 * kTile;
  if constexpr (!kMaxima) {
#pragma unroll
    for (int i = 0; i < 64; ++i) {
      float& x = s[i / 32][i / 4 % 8][i % 4];
      x = exp2_approx(x * scale);
    }
  }
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int at = warp % 2 * kTile + first_row + 16 * m + lane / 4 + 8 * half;
      float top = -INFINITY;
      float sum = 0;
      if constexpr (kMaxima) {
#pragma unroll
        for (int n = 0; n < 8; ++n)
          top = fmaxf(top, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
        top = largest_of(top, 1, 2);
      }
      const float shift = finite(top);
#pragma unroll
      for (int n = 0; n < 8; ++n) {
        const float x = s[m][n][2 * half];
        const float y = s[m][n][2 * half + 1];
        sum +=
            kMaxima ? exp2_approx((x - shift) * scale) + exp2_approx((y - shift) * scale) : x + y;
      }
      sum = sum_of(sum, 1, 2);
      if (lane % 4 == 0) {
        row_sums[at] = sum;
        if constexpr (kMaxima) row_maxima[at] = top;
      }
    }
  }
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int at = warp / 2 * kTile + first_column + 8 * n + 2 * (lane % 4) + r;
      float top = -INFINITY;
      float sum = 0;
      if constexpr (kMaxima) {
        top = fmaxf(fmaxf(s[0][n][r], s[0][n][r + 2]), fmaxf(s[1][n][r], s[1][n][r + 2]));
        top = largest_of(top, 4, 16);
      }
      const float shift = finite(top);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float x = s[i / 2][n][r + i % 2 * 2];
        sum += kMaxima ? exp2_approx((x - shift) * scale) : x;
      }
      sum = sum_of(sum, 4, 16);
      if (lane < 4) {
        column_sums[at] = sum;
        if constexpr (kMaxima) column_maxima[at] = top;
      }
    }
  }
  __syncthreads();
  const int t = static_cast<int>(threadIdx.x) % kTile;
  const int64_t local = tile.row_block - pass.first;
  if (threadIdx.x < kTile) {
    const int64_t at = (tile.column_block * pass.count + local) * kTile + t;
    write_total<2, kMaxima>(row_sums, row_maxima, scale, t, out.row_sums + at, out.row_maxima + at);
  } else if (tile.column_block < layout.own_blocks() && tile.column_block != tile.row_block) {
    const int64_t at = local * layout.own_rows() + tile.column_block * kTile + t;
    write_total<4, kMaxima>(column_sums, column_maxima, scale, t, out.column_sums + at,
                            out.column_maxima + at);
  }
}

// Adds the sums of a pass to those of the passes before, which statistics hold; with the last one,
// makes losses of them. One thread per row.
template <bool kMaxima>
__global__ void __launch_bounds__(kThreads)
    add_partials(Contrast c, Pass pass, Partials in, SimclrBenchObjective objective, bool is_first,
                 bool is_last, float* loss, double* statistics) {
  const Layout& layout = c.layout;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= layout.own_rows()) return;
  const int64_t i = layout.index_of(row);
  if (i < 0) return;
  const int64_t n = 2 * layout.pairs;
  const float scale = c.exponent_scale();
  float top = is_first ? (kMaxima ? -INFINITY : 0.0f) : static_cast<float>(statistics[i]);
  double sum = is_first ? 0 : statistics[n + i];
  const auto add = [&](const float* sums, const float* maxima, int64_t at) {
    if constexpr (kMaxima) {
      const float other = maxima[at];
      if (other > top) {
        sum *= exp2_approx((top - other) * scale);
        top = other;
      }
      sum += sums[at] * exp2_approx((other - finite(top)) * scale);
    } else {
      sum += sums[at];
    }
  };
  const int64_t block = row / kTile;
  const bool is_column = !pass.towers || block >= layout.view_blocks;
  for (int64_t g = 0; is_column && g < pass.count && pass.first + g < block; ++g)
    add(in.column_sums, in.column_maxima, g * layout.own_rows() + row);
  if (block >= pass.first && block < pass.first + pass.count) {
    const int64_t begin = pass.towers ? layout.view_blocks : block;
    const int64_t end = pass.towers ? layout.own_blocks() : layout.blocks();
    for (int64_t j = begin; j < end; ++j) {
      const int64_t at = (j * pass.count + block - pass.first) * kTile + row % kTile;
      add(in.row_sums, in.row_maxima, at);
    }
  }
  statistics[i] = top;
  statistics[n + i] = sum;
  if (!is_last) return;
  const double log_sum = log(sum);
  statistics[n + i] = log_sum;
  const double gap = (top - statistics[2 * n + i]) * c.k() + log_sum;
  if (objective == kSimclrBenchDecoupled) {
    loss[i] = static_cast<float>(gap);
  } else {  // gap = -inf without negatives: exactly 0
    const double larger = gap > 0 ? gap : gap != gap ? gap : 0.0;
    loss[i] = static_cast<float>(larger + log1p(exp(-fabs(gap))));
  }
}

struct Plan {
  bool towers, maxima;
  int64_t row_blocks, per_pass;  // of the latter, one at least
};

Plan plan_of(const SimclrBenchContrast& problem) {
  const Layout layout = layout_of(problem);
  const bool towers = problem.objective == kSimclrBenchInfoNCE;
  const bool maxima = takes_maxima(problem);
  const int64_t row_blocks = towers ? layout.view_blocks : layout.own_blocks();
  const int64_t per_block =
      (layout.rows() + layout.own_rows()) * static_cast<int64_t>(sizeof(float)) * (maxima ? 2 : 1);
  const int64_t fit = problem.workspace_bytes / per_block;
  return {towers, maxima, row_blocks, fit < 1 ? 1 : fit < row_blocks ? fit : row_blocks};
}

Partials take_partials(const Layout& layout, const Plan& plan, Workspace& workspace) {
  const auto take = [&](int64_t rows) { return workspace.take<float>(plan.per_pass * rows); };
  Partials partials{take(layout.rows()), take(layout.own_rows()), nullptr, nullptr};
  if (plan.maxima) {
    partials.row_maxima = take(layout.rows());
    partials.column_maxima = take(layout.own_rows());
  }
  return partials;
}

template <typename Numbers, bool kMaxima>
cudaError_t launch_tiles(const Contrast& c, const Pass& pass, const Partials& partials,
                         cudaStream_t stream) {
  const auto kernel = add_tiles<Numbers, kMaxima>;
  constexpr int kBytes = TileProducts<Numbers>::kBytes;
  if (const cudaError_t error =
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes)) {
    return error;
  }
  const int64_t tiles = ceil_div(pass.count, 2) * pass.tiles_of_two(c.layout);
  kernel<<<static_cast<unsigned>(tiles), kThreads, kBytes, stream>>>(c, pass, partials);
  return cudaGetLastError();
}

template <bool kMaxima>
cudaError_t run(const SimclrBenchContrast& problem, const Contrast& c, const Plan& plan,
                const Partials& partials, float* loss, double* statistics, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(ceil_div(c.layout.own_rows(), kThreads));
  for (int64_t first = 0; first < plan.row_blocks; first += plan.per_pass) {
    const int64_t left = plan.row_blocks - first;
    const Pass pass{plan.towers, first, left < plan.per_pass ? left : plan.per_pass};
    const cudaError_t error = with_numbers(problem, [&](auto numbers) {
      return launch_tiles<decltype(numbers), kMaxima>(c, pass, partials, stream);
    });
    if (error != cudaSuccess) return error;
    add_partials<kMaxima><<<blocks, kThreads, 0, stream>>>(
        c, pass, partials, problem.objective, first == 0, left <= plan.per_pass, loss, statistics);
    if (const cudaError_t error = cudaGetLastError()) return error;
  }
  return cudaSuccess;
}

}  // namespace

int64_t forward_bytes(const SimclrBenchContrast& problem) {
  Workspace workspace(nullptr);
  take_packed_rows(problem, workspace);
  take_partials(layout_of(problem), plan_of(problem), workspace);
  return workspace.bytes();
}

}  // namespace simclr_bench

using namespace simclr_bench;

extern "C" cudaError_t simclr_bench_nt_xent_forward(const SimclrBenchContrast* problem,
                                                    const void* z0, const void* z1,
                                                    const void* others, void* workspace,
                                                    float* loss, double* statistics,
                                                    cudaStream_t stream) {
  Workspace memory(workspace);
  const PackedRows rows = take_packed_rows(*problem, memory);
  const Plan plan = plan_of(*problem);
  const Contrast c = contrast_of(*problem, rows);
  const Partials partials = take_partials(c.layout, plan, memory);
  double* similarities = statistics + 4 * problem->pairs;
  if (const cudaError_t error = pack_rows(*problem, z0, z1, others, rows, similarities, stream))
    return error;
  const auto run_passes = plan.maxima ? run<true> : run<false>;
  return run_passes(*problem, c, plan, partials, loss, statistics, stream);
}
