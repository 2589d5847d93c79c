// The contrastive losses on the CPU: NT-Xent (SimCLR, arXiv:2002.05709, Eq. 1), decoupled
// (arXiv:2110.06848), InfoNCE between two towers (CLIP, arXiv:2103.00020) and supervised
// (arXiv:2004.11362, Eq. 2). One engine: they differ in which pairs of rows count, and in what is
// made of a row's sums.
//
//   in    z0, z1 [B, D]; N = 2B rows, row i pairs with p(i) = (i + B) mod N
//         supervised: z0 [N, D] with labels [N], no z1
//   out   loss per row [N], or their sum times a weight; and the gradients
//
//   u_i   = z_i / max(|z_i|, 1e-12), or z_i without normalising
//   s_ij  = u_i·u_j,   k = 1/τ
//   A(i)  = the rows that i is compared with: all but i; two towers: those of the other view
//   n_i   = Σ_{j in A(i), j ≠ p(i)} exp(s_ij·k)          d_i = log n_i - s_ip·k
//
//   NT-Xent, InfoNCE   loss_i = log(1 + exp(d_i))        c_i = g_i·σ(d_i)       g_i: upstream
//   decoupled          loss_i = d_i                      c_i = g_i
//     G_ij = exp(s_ij·k)·(c_i/n_i + c_j/n_j),   G_ip = -(c_i + c_p)
//   supervised, with P(i) the other rows of i's label, n_i over A(i) without them, a_i over them:
//     d_i = log n_i - log a_i;   loss_i = log a_i - k·mean_{p in P(i)} s_ip + log(1 + exp(d_i)),
//     or 0 without positives;    c_i = g_i·σ(d_i)
//     G_ij = exp(s_ij·k)·(c_i/n_i + c_j/n_j)                                 of different labels
//     G_ij = exp(s_ij·k)·((g_i - c_i)/a_i + (g_j - c_j)/a_j) - (g_i/|P(i)| + g_j/|P(j)|)
//     A label of two rows makes them a pair: G_ip = -(c_i + c_p), which that would round away.
//
//   ∂L/∂u_i = k·Σ_j G_ij·u_j                             row and column role of i at once
//   ∂L/∂z_i = (∂L/∂u_i - u_i·(u_i·∂L/∂u_i)) / |z_i|      (|z_i| < 1e-12: ∂L/∂u_i / 1e-12)
//   ∂L/∂τ   = -k²·Σ_i c_i·(E_n[s_i] - s_ip)              E_n: mean weighed by exp(s_ij·k)
//             supervised: -k²·Σ_i [g_i·(E_a[s_i] - mean s_ip) + c_i·(E_n[s_i] - E_a[s_i])]
//
// The positive stays out of n_i: σ(d_i) = 1 - p_ip keeps its digits when p_ip rounds to 1, and with
// B = 1 (no negatives, n = 0) NT-Xent and its gradient are exactly 0.
//
// S is symmetric, so only tiles on and above the diagonal are computed, once for n and once more
// for G, and each serves its rows and its columns. Tiles are visited in rounds in which no two
// share a block: every sum has one order, whatever the number of threads. Where rows have length 1
// and τ is not very small, exp(s_ij·k) fits the exponents of a float; elsewhere each row's maximum
// is taken out.
//
// Not stored: any N x N matrix. Memory is four times the rows, and as many tiles as fit the
// workspace, which are not computed twice.

#include "contrast.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "../check.h"
#include "capability.h"

namespace {

using at::Tensor;
using simclr_bench::Capability;
using simclr_bench::ContrastKernels;
using simclr_bench::ContrastOperands;
using simclr_bench::ContrastSums;
using simclr_bench::ContrastTile;
using simclr_bench::ContrastTotals;
using simclr_bench::ContrastWeights;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Objective { kNTXent, kDecoupled, kInfoNCE, kSupervised };

Objective parse_objective(const char* op, const std::string& name) {
  if (name == "nt_xent") return Objective::kNTXent;
  if (name == "decoupled") return Objective::kDecoupled;
  if (name == "info_nce") return Objective::kInfoNCE;
  TORCH_CHECK(name == "supervised", op,
              ": objective must be nt_xent, decoupled, info_nce or supervised, got ", name);
  return Objective::kSupervised;
}

template <typename T>
const ContrastKernels<T>& kernels() {
  constexpr bool kFloat = std::is_same_v<T, float>;
  const auto pick = [](const auto& in_float, const auto& in_double) -> const ContrastKernels<T>& {
    if constexpr (kFloat) {
      return in_float;
    } else {
      return in_double;
    }
  };
  switch (simclr_bench::cpu_capability()) {
#if defined(__x86_64__)
    case Capability::kAvx512:
      return pick(simclr_bench::avx512::contrast_float, simclr_bench::avx512::contrast_double);
    case Capability::kAvx2:
      return pick(simclr_bench::avx2::contrast_float, simclr_bench::avx2::contrast_double);
#endif
    default:
      return pick(simclr_bench::baseline::contrast_float, simclr_bench::baseline::contrast_double);
  }
}

// Uninitialised memory on a cache line's boundary.
template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t size)
      : data_(static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t(64)))) {}
  T* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<T, Free> data_;
};

// Memory for tiles that are kept between the two passes. It is kept between calls too, since
// touching new pages costs more than computing the tiles again; a second call at the same time does
// without.
class Workspace {
 public:
  explicit Workspace(int64_t bytes) {
    static std::mutex mutex;
    static std::optional<Buffer<char>> kept;
    static int64_t kept_bytes = 0;
    lock_ = std::unique_lock(mutex, std::try_to_lock);
    if (!lock_ || bytes <= 0) return;
    if (kept_bytes < bytes) {
      kept.reset();
      kept_bytes = 0;
      kept.emplace(bytes);
      kept_bytes = bytes;
    }
    data_ = kept->get();
  }
  char* data() const { return data_; }

 private:
  std::unique_lock<std::mutex> lock_;
  char* data_ = nullptr;
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// With |s| <= 1, exponents of 2 lie within ±scale. This leaves room for the sum of 2^26 of the
// largest, and below the smallest for terms 2^-26 of it.
template <typename T>
constexpr T kLargestExponent = std::is_same_v<T, float> ? 100 : 900;

// Rows that are read from one matrix, and whether they are compared with others only.
template <typename T>
struct Segment {
  const T* z;
  int64_t rows;
};

// Large tiles reuse operands best; small problems need several for the threads, and long rows must
// leave two blocks of them in the second-level cache.
int64_t tile_rows(int64_t rows, int64_t dim) { return rows >= 256 && dim <= 512 ? 128 : 64; }

// Memory behind ContrastTotals.
template <typename T>
struct Totals {
  std::vector<double> sums, moments;
  std::vector<T> maxima;

  void start(int64_t rows, bool with_moments, bool online) {
    sums.assign(rows, 0.0);
    moments.assign(with_moments ? rows : 0, 0.0);
    maxima.assign(online ? rows : 0, -std::numeric_limits<T>::infinity());
  }
  ContrastTotals<T> view() {
    return {sums.data(), moments.empty() ? nullptr : moments.data(),
            maxima.empty() ? nullptr : maxima.data()};
  }
  double maximum(int64_t at) const { return maxima.empty() ? 0.0 : maxima[at]; }
  double mean(int64_t at) const {
    return moments.empty() || sums[at] == 0 ? 0.0 : moments[at] / sums[at];
  }

  void save(int64_t at, double& maximum_at, double& logarithm, double& mean_at) const {
    maximum_at = maximum(at);
    logarithm = std::log(sums[at]);
    mean_at = mean(at);
  }
  void load(int64_t at, double maximum_at, double logarithm, double mean_at) {
    if (!maxima.empty()) maxima[at] = static_cast<T>(maximum_at);
    sums[at] = std::exp(logarithm);
    moments[at] = mean_at * sums[at];
  }

  // Rows without terms, and rows that do not exist, then weigh nothing, whatever is above them.
  void finish() {
    for (T& one : maxima) {
      if (one == -std::numeric_limits<T>::infinity()) one = -one;
    }
  }
};

struct Round {
  int64_t first, last;  // tiles
};

// Every unordered pair of the blocks [0, n) once, in rounds that name no block twice: the circle
// method of tournaments. The tiles of a block with itself come first, in a round of their own.
template <typename Add>
void tournament(int64_t n, Add add) {
  for (int64_t i = 0; i < n; ++i) add(0, i, i);
  const int64_t players = n + n % 2;  // one more sits out its opponent
  for (int64_t round = 0; round < players - 1; ++round) {
    for (int64_t seat = 0; seat < players / 2; ++seat) {
      const auto player = [&](int64_t s) {
        return s == 0 ? 0 : (s - 1 + round) % (players - 1) + 1;
      };
      const int64_t a = player(seat);
      const int64_t b = player(players - 1 - seat);
      if (a < n && b < n) add(round + 1, std::min(a, b), std::max(a, b));
    }
  }
}

template <typename T>
class Engine {
 public:
  // The rows of `own` get losses and gradients; those of `others` are only compared with.
  Engine(Objective objective, std::vector<Segment<T>> own, std::vector<Segment<T>> others,
         const std::vector<T>& labels, int64_t dim, double temperature, bool normalize)
      : kernels_(kernels<T>()), objective_(objective), normalize_(normalize), k_(1 / temperature) {
    int64_t most = 1;
    for (const auto& segment : own) most = std::max(most, segment.rows);
    const int64_t tile = tile_rows(most, dim);
    const auto add = [&](const Segment<T>& segment) {
      first_block_.push_back(block_rows_.size());
      for (int64_t row = 0; row < segment.rows; row += tile) {
        for (int64_t r = row; r < std::min(row + tile, segment.rows); ++r) {
          padded_.push_back(static_cast<int64_t>(block_rows_.size()) * tile + r - row);
        }
        block_rows_.push_back(std::min(tile, segment.rows - row));
      }
    };
    for (const auto& segment : own) add(segment);
    rows_ = padded_.size();
    own_blocks_ = block_rows_.size();
    for (const auto& segment : others) add(segment);
    const int64_t panel = kernels_.panel;
    o_.dim = dim;
    o_.tile = tile;
    o_.padded_rows = static_cast<int64_t>(block_rows_.size()) * tile;
    o_.padded_dim = ceil_div(dim, panel) * panel;
    o_.block_rows = block_rows_.data();
    transposed_.emplace(o_.padded_rows * dim);
    panels_.emplace(o_.padded_rows * o_.padded_dim);
    o_.transposed = transposed_->get();
    o_.panels = panels_->get();
    o_.labels = nullptr;
    if (objective == Objective::kSupervised) {
      labels_.assign(o_.padded_rows, T(-1));
      for (int64_t i = 0; i < rows_; ++i) labels_[padded_[i]] = labels[i];
      o_.labels = labels_.data();
      count_labels();
    }
    o_.scale = static_cast<T>(k_ * M_LOG2E);
    online_ = !normalize_ || o_.scale > kLargestExponent<T>;
    norms_.resize(padded_.size());
    int64_t first = 0;
    for (const auto* side : {&own, &others}) {
      for (const auto& segment : *side) {
        pack(segment, first);
        first += segment.rows;
      }
    }
    make_schedule();
  }

  int64_t rows() const { return rows_; }

  // Own rows that have a positive, over which a mean is taken.
  int64_t anchors() const {
    if (!o_.labels) return rows_;
    int64_t count = 0;
    for (int64_t i = 0; i < rows_; ++i) count += has_positive(i);
    return count;
  }

  // The sums of each row, and the similarity of its positive (the mean of several). With `moments`
  // also what the temperature's gradient needs.
  void make_sums(int64_t workspace_bytes, bool moments) {
    negatives_.start(o_.padded_rows, moments, online_);
    if (o_.labels) {
      positives_.start(o_.padded_rows, moments, online_);
      similarities_.assign(o_.padded_rows, 0.0);
    }
    const int64_t tile_bytes = o_.tile * o_.tile * static_cast<int64_t>(sizeof(T));
    const int64_t wanted = std::min<int64_t>(workspace_bytes / tile_bytes, tiles_.size());
    workspace_.emplace(wanted * tile_bytes);
    stored_ = workspace_->data() ? wanted : 0;
    const ContrastSums<T> out{negatives_.view(), positives_.view(), similarities_.data()};
    for_each_tile(
        [&](int64_t t, T* scratch) { kernels_.sums(o_, tiles_[t], out, stored_tile(t), scratch); });
    positive_.resize(rows_);
    at::parallel_for(0, rows_, 512, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t pair = pair_of(i);
        positive_[i] = pair >= 0 ? kernels_.dot(o_, padded_[i], padded_[pair])
                                 : similarities_[padded_[i]] / std::max<int64_t>(1, others_of(i));
      }
    });
  }

  // Rows of `statistics`: m_i, log n_i with m_i·k taken out of it, the similarity of the positive
  // (the mean of several) and E_n[s_i]; with labels the first two and the last for a_i.
  int64_t kinds() const { return o_.labels ? 7 : 4; }

  void save_statistics(double* statistics) const {
    const auto at = [&](int64_t kind, int64_t i) -> double& {
      return statistics[kind * rows_ + i];
    };
    for (int64_t i = 0; i < rows_; ++i) {
      at(2, i) = positive_[i];
      negatives_.save(padded_[i], at(0, i), at(1, i), at(3, i));
      if (o_.labels) positives_.save(padded_[i], at(4, i), at(5, i), at(6, i));
    }
  }

  // The same, made earlier, for all rows of this engine: own ones first.
  void load_statistics(const double* statistics) {
    const int64_t all = padded_.size();
    const auto at = [&](int64_t kind, int64_t i) { return statistics[kind * all + i]; };
    negatives_.start(o_.padded_rows, true, online_);
    if (o_.labels) positives_.start(o_.padded_rows, true, online_);
    positive_.resize(all);
    for (int64_t i = 0; i < all; ++i) {
      positive_[i] = at(2, i);
      negatives_.load(padded_[i], at(0, i), at(1, i), at(3, i));
      if (o_.labels) positives_.load(padded_[i], at(4, i), at(5, i), at(6, i));
    }
    stored_ = 0;
  }

  double loss(int64_t i) const {
    if (!has_positive(i)) return 0;
    const double d = difference(i);
    if (objective_ == Objective::kDecoupled) return d;
    return spread(i) + std::max(d, 0.0) + std::log1p(std::exp(-std::abs(d)));
  }

  // ∂L/∂z [rows, D] to `outputs` for L = Σ_i upstream_i·loss_i over all rows, others included;
  // returns ∂L/∂τ of the sum over own rows, if make_sums made moments.
  template <typename Upstream>
  double make_gradients(Upstream upstream, const std::vector<T*>& outputs,
                        const std::vector<int64_t>& output_rows) {
    const int64_t all = padded_.size();
    const int64_t with_labels = o_.labels ? o_.padded_rows : 0;
    std::vector<T> negative(o_.padded_rows, T(0));
    std::vector<T> positive(with_labels, T(0));
    std::vector<T> constant(with_labels, T(0));
    std::vector<double> upstreams(all), missed(all);  // g_i and c_i
    double largest = 0;
    for (int64_t i = 0; i < all; ++i) {
      upstreams[i] = has_positive(i) ? upstream(i) : 0.0;
      missed[i] = upstreams[i];
      if (objective_ != Objective::kDecoupled && has_positive(i)) {
        const double d = difference(i);
        const double e = std::exp(-std::abs(d));
        missed[i] *= (d < 0 ? e : 1.0) / (1 + e);
      }
      largest = std::max(largest, std::abs(missed[i]));
    }
    // Where all positives have nearly all the mass, weights would be too small for a float.
    const double unit = largest > 0 && largest < kInfinity ? largest : 1.0;
    for (int64_t i = 0; i < all; ++i) {
      const int64_t at = padded_[i];
      missed[i] /= unit;
      const double sum = negatives_.sums[at];
      if (sum != 0) negative[at] = static_cast<T>(missed[i] / sum);
      if (o_.labels && others_of(i) > 1) {
        const double g = upstreams[i] / unit;
        positive[at] = static_cast<T>((g - missed[i]) / positives_.sums[at]);
        constant[at] = static_cast<T>(g / others_of(i));
      }
    }
    negatives_.finish();
    positives_.finish();
    const Buffer<T> gradients(own_blocks_ * o_.tile * o_.padded_dim);
    at::parallel_for(0, own_blocks_, 1, [&](int64_t begin, int64_t end) {
      const int64_t block = o_.tile * o_.padded_dim;
      std::fill(gradients.get() + begin * block, gradients.get() + end * block, T(0));
    });
    const ContrastWeights<T> weights{
        {negative.data(), online_ ? negatives_.maxima.data() : nullptr},
        {positive.data(), online_ ? positives_.maxima.data() : nullptr},
        constant.data()};
    for_each_tile([&](int64_t t, T* scratch) {
      kernels_.gradient(o_, tiles_[t], weights, stored_tile(t), gradients.get(), scratch);
    });
    at::parallel_for(0, rows_, std::max<int64_t>(1, 16384 / o_.dim),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         const int64_t pair = pair_of(i) >= 0 ? pair_of(i) : i;
                         const double pull = pair != i ? missed[i] + missed[pair] : 0.0;
                         int64_t output = 0;
                         int64_t row = i;
                         while (row >= output_rows[output]) row -= output_rows[output++];
                         kernels_.finish(o_, padded_[i], padded_[pair], pull, norms_[i], normalize_,
                                         k_ * unit, gradients.get() + padded_[i] * o_.padded_dim,
                                         outputs[output] + row * o_.dim);
                       }
                     });
    // ∂L/∂τ of the rows' own losses.
    double sum = 0;
    for (int64_t i = 0; i < rows_; ++i) {
      const int64_t at = padded_[i];
      const bool several = o_.labels && others_of(i) > 1;
      const double of_positives = several ? positives_.mean(at) : positive_[i];
      if (several) sum += upstreams[i] * (of_positives - positive_[i]);
      if (negatives_.sums[at] != 0) sum += missed[i] * unit * (negatives_.mean(at) - of_positives);
    }
    return -k_ * k_ * sum;
  }

 private:
  // d_i, without a number of size k in either of its terms.
  double difference(int64_t i) const {
    const int64_t at = padded_[i];
    double logarithm = std::log2(negatives_.sums[at]);
    double other = positive_[i];
    if (o_.labels && others_of(i) > 1) {
      logarithm -= std::log2(positives_.sums[at]);
      other = positives_.maximum(at);
    }
    const double maximum = negatives_.maximum(at);
    if (maximum == -kInfinity) return other * 0 + logarithm;  // no negatives, or a NaN
    return M_LN2 * (logarithm + (maximum - other) * o_.scale);
  }

  // log a_i - k·mean s_ip: 0 for a single positive.
  double spread(int64_t i) const {
    if (!o_.labels || others_of(i) < 2) return 0;
    const int64_t at = padded_[i];
    const double above = (positives_.maximum(at) - positive_[i]) * o_.scale;
    return M_LN2 * (std::log2(positives_.sums[at]) + above);
  }

  // The one positive of a row; -1 if it has none or several.
  int64_t pair_of(int64_t i) const {
    if (o_.labels) return pairs_[i];
    return i < rows_ / 2 ? i + rows_ / 2 : i - rows_ / 2;
  }

  // How many rows share this one's label.
  int64_t others_of(int64_t i) const { return label_sizes_[labels_[padded_[i]]] - 1; }

  bool has_positive(int64_t i) const { return !o_.labels || others_of(i) > 0; }

  void count_labels() {
    label_sizes_.assign(rows_, 0);
    std::vector<int64_t> first(rows_, -1);
    pairs_.assign(rows_, -1);
    for (int64_t i = 0; i < rows_; ++i) {
      const int64_t label = labels_[padded_[i]];
      const int64_t size = ++label_sizes_[label];
      if (size == 1) first[label] = i;
      if (size == 2) std::tie(pairs_[i], pairs_[first[label]]) = std::tuple(first[label], i);
      if (size == 3) {
        pairs_[pairs_[first[label]]] = -1;
        pairs_[first[label]] = -1;
      }
    }
  }

  void pack(const Segment<T>& segment, int64_t first) {
    const int64_t panel = kernels_.panel;
    const int64_t blocks = ceil_div(segment.rows, o_.tile);
    const int64_t panels = o_.tile / panel;
    const int64_t first_padded = segment.rows ? padded_[first] : 0;
    const int64_t grain = std::max<int64_t>(1, 16384 / (panel * o_.dim));
    at::parallel_for(0, blocks * panels, grain, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t row = p * panel;  // blocks follow each other, and only the last is not full
        const int64_t count = std::clamp<int64_t>(segment.rows - row, 0, panel);
        kernels_.pack(o_, segment.z + std::min(row, segment.rows) * o_.dim, count, normalize_,
                      first_padded + row, norms_.data() + first + std::min(row, segment.rows));
      }
    });
  }

  void make_schedule() {
    std::vector<std::vector<ContrastTile>> rounds;
    const auto add = [&](int64_t round, int64_t i, int64_t j, bool diagonal, bool columns) {
      if (round >= static_cast<int64_t>(rounds.size())) rounds.resize(round + 1);
      rounds[round].push_back(
          {static_cast<int32_t>(i), static_cast<int32_t>(j), diagonal, columns});
    };
    const int64_t n = own_blocks_;
    if (objective_ == Objective::kInfoNCE) {
      for (int64_t round = 0; round < n / 2; ++round) {
        for (int64_t i = 0; i < n / 2; ++i) {
          add(round, i, n / 2 + (i + round) % (n / 2), round == 0, true);
        }
      }
    } else {
      const bool paired = objective_ != Objective::kSupervised;
      tournament(n, [&](int64_t round, int64_t i, int64_t j) {
        add(round, i, j, i == j || (paired && j - i == n / 2), i != j);
      });
      const int64_t others = static_cast<int64_t>(block_rows_.size()) - n;
      const int64_t before = rounds.size();
      for (int64_t round = 0; round < others; ++round) {
        for (int64_t i = 0; i < n; ++i)
          add(before + round, i, n + (i + round) % others, false, false);
      }
    }
    for (const auto& round : rounds) {
      const int64_t first = tiles_.size();
      tiles_.insert(tiles_.end(), round.begin(), round.end());
      rounds_.push_back({first, static_cast<int64_t>(tiles_.size())});
    }
  }

  T* stored_tile(int64_t t) const {
    if (t >= stored_) return nullptr;
    return reinterpret_cast<T*>(workspace_->data()) + t * o_.tile * o_.tile;
  }

  template <typename Visit>
  void for_each_tile(Visit visit) {
    const int64_t size = ceil_div(kernels_.scratch(o_.tile), 16) * 16;
    const Buffer<T> scratch(size * at::get_num_threads());
    for (const Round& round : rounds_) {
      at::parallel_for(round.first, round.last, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) visit(t, scratch.get() + size * at::get_thread_num());
      });
    }
  }

  const ContrastKernels<T>& kernels_;
  const Objective objective_;
  const bool normalize_;
  const double k_;
  ContrastOperands<T> o_{};
  bool online_ = false;
  int64_t rows_ = 0;        // own
  int64_t own_blocks_ = 0;  // before those of others
  std::vector<int64_t> first_block_, block_rows_;
  std::vector<int64_t> padded_;  // [all rows] padded index of each row
  std::optional<Buffer<T>> transposed_, panels_;
  std::vector<T> labels_;
  std::vector<int64_t> label_sizes_;  // by label
  std::vector<int64_t> pairs_;        // with labels: the one positive of each row, or -1
  std::vector<double> norms_, similarities_, positive_;
  Totals<T> negatives_, positives_;
  std::vector<ContrastTile> tiles_;
  std::vector<Round> rounds_;
  std::optional<Workspace> workspace_;
  int64_t stored_ = 0;
};

struct Arguments {
  const char* op;
  Tensor z0, z1;  // contiguous, float or double
  Tensor labels;  // undefined without labels
  Tensor others;  // [2, M / 2, D] or undefined
  double temperature;
  Objective objective;
  bool normalize;

  int64_t rows() const { return z0.size(0) + z1.size(0); }
  int64_t other_rows() const { return others.defined() ? others.size(0) * others.size(1) : 0; }
};

// So few rows are computed in double, which costs nothing there. A gradient of few terms may cancel
// to much less than any of them, and then shows how each was rounded.
constexpr int64_t kFewRows = 16;

at::ScalarType compute_dtype(const Tensor& z, int64_t rows) {
  return z.scalar_type() == at::kDouble || rows <= kFewRows ? at::kDouble : at::kFloat;
}

at::ScalarType loss_dtype(const Tensor& z) {
  return z.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

double temperature_of(const char* op, double temperature, const std::optional<Tensor>& learned) {
  if (!learned) {
    simclr_bench::check_temperature(op, temperature);
    return temperature;
  }
  TORCH_CHECK(
      learned->dim() == 0 && learned->is_cpu() && at::isFloatingType(learned->scalar_type()), op,
      ": learned_temperature must be a floating-point number on the CPU, got ", learned->sizes(),
      " ", learned->scalar_type(), " on ", learned->device());
  return learned->item<double>();
}

Arguments check(const char* op, const Tensor& z0, const Tensor& z1,
                const std::optional<Tensor>& labels, const std::optional<Tensor>& others,
                double temperature, const std::optional<Tensor>& learned,
                const std::string& objective, bool normalize) {
  Arguments a{op,
              {},
              {},
              {},
              {},
              temperature_of(op, temperature, learned),
              parse_objective(op, objective),
              normalize};
  if (a.objective == Objective::kSupervised) {
    TORCH_CHECK(z0.dim() == 2 && z0.numel() > 0, op, ": z0 must be [N, D], got ", z0.sizes());
    TORCH_CHECK(z1.dim() == 2 && z1.size(0) == 0, op, ": z1 must be empty with labels, got ",
                z1.sizes());
    TORCH_CHECK(labels && labels->dim() == 1 && labels->size(0) == z0.size(0) &&
                    labels->scalar_type() == at::kLong && labels->is_cpu(),
                op, ": labels must be int64 [", z0.size(0), "] on the CPU");
    a.labels = labels->contiguous();
  } else {
    simclr_bench::check_pair(op, "z0", z0, "z1", z1);
    TORCH_CHECK(!labels, op, ": labels are for the supervised objective only");
  }
  simclr_bench::check_floating(op, z0, /*float64_allowed=*/true);
  const int64_t among = others && others->dim() == 3 ? others->size(0) * others->size(1) : 0;
  const at::ScalarType dtype = compute_dtype(z0, z0.size(0) + z1.size(0) + among);
  a.z0 = z0.to(dtype).contiguous();
  a.z1 = z1.to(dtype).contiguous();
  if (others) {
    TORCH_CHECK(a.objective == Objective::kNTXent || a.objective == Objective::kDecoupled, op,
                ": others are for the nt_xent and decoupled objectives only");
    TORCH_CHECK(others->dim() == 3 && others->size(0) == 2 && others->size(2) == z0.size(1) &&
                    others->device() == z0.device(),
                op, ": others must be [2, pairs, ", z0.size(1), "], got ", others->sizes());
    a.others = others->to(dtype).contiguous();
  }
  return a;
}

// Labels as 0, 1, 2, ... in the order of their first appearance.
template <typename T>
std::vector<T> numbered(const Tensor& labels) {
  std::vector<T> result;
  if (!labels.defined()) return result;
  std::unordered_map<int64_t, int64_t> numbers;
  const int64_t* p = labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < labels.size(0); ++i) {
    result.push_back(static_cast<T>(numbers.emplace(p[i], numbers.size()).first->second));
  }
  return result;
}

template <typename T>
Engine<T> make_engine(const Arguments& a) {
  std::vector<Segment<T>> own{{a.z0.const_data_ptr<T>(), a.z0.size(0)}};
  if (a.z1.size(0)) own.push_back({a.z1.const_data_ptr<T>(), a.z1.size(0)});
  std::vector<Segment<T>> others;
  if (a.others.defined() && a.others.numel()) {
    const int64_t pairs = a.others.size(1);
    const T* data = a.others.const_data_ptr<T>();
    others = {{data, pairs}, {data + pairs * a.others.size(2), pairs}};
  }
  return Engine<T>(a.objective, own, others, numbered<T>(a.labels), a.z0.size(1), a.temperature,
                   a.normalize);
}

// The gradients of z0, z1 and the temperature.
template <typename T, typename Upstream>
std::tuple<Tensor, Tensor, Tensor> gradients(Engine<T>& engine, const Arguments& a,
                                             Upstream upstream) {
  Tensor grad_z0 = at::empty_like(a.z0);
  Tensor grad_z1 = at::empty_like(a.z1);
  std::vector<T*> outputs{grad_z0.mutable_data_ptr<T>()};
  std::vector<int64_t> rows{a.z0.size(0)};
  if (a.z1.size(0)) {
    outputs.push_back(grad_z1.mutable_data_ptr<T>());
    rows.push_back(a.z1.size(0));
  }
  const double grad_temperature = engine.make_gradients(upstream, outputs, rows);
  return {grad_z0, grad_z1, at::scalar_tensor(grad_temperature, at::kDouble)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> contrast(
    const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels, double temperature,
    const std::optional<Tensor>& learned_temperature, std::string objective, bool normalize,
    bool mean, bool with_gradient, int64_t workspace_bytes) {
  const Arguments a = check("contrast", z0, z1, labels, std::nullopt, temperature,
                            learned_temperature, objective, normalize);
  const auto run = [&](auto scalar) -> std::tuple<Tensor, Tensor, Tensor, Tensor> {
    using T = decltype(scalar);
    Engine<T> engine = make_engine<T>(a);
    engine.make_sums(with_gradient ? workspace_bytes : 0, with_gradient && learned_temperature);
    // Without any row to average over, the loss is 0.
    const double weight = mean ? 1.0 / std::max<int64_t>(1, engine.anchors()) : 1.0;
    double sum = 0;
    for (int64_t i = 0; i < engine.rows(); ++i) sum += engine.loss(i);
    const Tensor loss = at::scalar_tensor(weight * sum, loss_dtype(z0));
    if (!with_gradient) {
      const Tensor none = at::empty({0}, a.z0.options());
      return {loss, none.to(z0.scalar_type()), none.to(z0.scalar_type()).clone(),
              at::empty({0}, a.z0.options().dtype(at::kDouble))};
    }
    auto [grad_z0, grad_z1, grad_temperature] =
        gradients(engine, a, [&](int64_t) { return weight; });
    return {loss, grad_z0.to(z0.scalar_type()), grad_z1.to(z1.scalar_type()), grad_temperature};
  };
  return a.z0.scalar_type() == at::kDouble ? run(double()) : run(float());
}

std::tuple<Tensor, Tensor> contrast_forward(const Tensor& z0, const Tensor& z1,
                                            const std::optional<Tensor>& labels,
                                            const std::optional<Tensor>& others, double temperature,
                                            const std::optional<Tensor>& learned_temperature,
                                            std::string objective, bool normalize) {
  const Arguments a = check("contrast_forward", z0, z1, labels, others, temperature,
                            learned_temperature, objective, normalize);
  const auto run = [&](auto scalar) -> std::tuple<Tensor, Tensor> {
    using T = decltype(scalar);
    Engine<T> engine = make_engine<T>(a);
    engine.make_sums(0, learned_temperature.has_value());
    Tensor loss = at::empty({engine.rows()}, a.z0.options());
    Tensor statistics =
        at::empty({engine.kinds(), engine.rows()}, a.z0.options().dtype(at::kDouble));
    T* out = loss.mutable_data_ptr<T>();
    for (int64_t i = 0; i < engine.rows(); ++i) out[i] = static_cast<T>(engine.loss(i));
    engine.save_statistics(statistics.mutable_data_ptr<double>());
    return {loss.to(loss_dtype(z0)), statistics};
  };
  return a.z0.scalar_type() == at::kDouble ? run(double()) : run(float());
}

std::tuple<Tensor, Tensor, Tensor> contrast_backward(
    const Tensor& grad, const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels,
    const std::optional<Tensor>& others, const Tensor& statistics, double temperature,
    const std::optional<Tensor>& learned_temperature, std::string objective, bool normalize) {
  constexpr const char* kOp = "contrast_backward";
  const Arguments a =
      check(kOp, z0, z1, labels, others, temperature, learned_temperature, objective, normalize);
  simclr_bench::check_saved(kOp, z0, grad, statistics, a.labels.defined() ? 7 : 4,
                            a.rows() + a.other_rows());
  const Tensor upstream = grad.to(at::kDouble).contiguous();
  const Tensor saved = statistics.contiguous();
  const double* g = upstream.const_data_ptr<double>();
  const auto run = [&](auto scalar) -> std::tuple<Tensor, Tensor, Tensor> {
    using T = decltype(scalar);
    Engine<T> engine = make_engine<T>(a);
    engine.load_statistics(saved.const_data_ptr<double>());
    auto [grad_z0, grad_z1, grad_temperature] =
        gradients(engine, a, [&](int64_t i) { return g[i]; });
    return {grad_z0.to(z0.scalar_type()), grad_z1.to(z1.scalar_type()), grad_temperature};
  };
  return a.z0.scalar_type() == at::kDouble ? run(double()) : run(float());
}

// What the backward of `contrast` returns: its saved gradients times the upstream one. The inputs
// are arguments so that a second derivative reaches this operator, and is refused.
std::tuple<Tensor, Tensor, Tensor> contrast_scale(const Tensor& grad, const Tensor& /*z0*/,
                                                  const Tensor& /*z1*/,
                                                  const std::optional<Tensor>& /*learned*/,
                                                  const Tensor& grad_z0, const Tensor& grad_z1,
                                                  const Tensor& grad_temperature,
                                                  std::string /*objective*/) {
  TORCH_CHECK(grad.dim() == 0, "contrast_scale: grad must be a number, got ", grad.sizes());
  return {at::mul(grad_z0, grad), at::mul(grad_z1, grad), at::mul(grad_temperature, grad)};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CPU, m) {
  m.impl("contrast", &contrast);
  m.impl("contrast_scale", &contrast_scale);
  m.impl("contrast_forward", &contrast_forward);
  m.impl("contrast_backward", &contrast_backward);
}
