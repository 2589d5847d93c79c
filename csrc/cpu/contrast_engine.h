// The contrastive engine: two passes over the tiles of a batch, and what lies between them. The
// formulas are in contrast.cpp.

#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "contrast.h"
#include "contrast_memory.h"
#include "contrast_partners.h"
#include "contrast_schedule.h"

namespace simclr_bench {

enum class Objective { kNTXent, kDecoupled, kInfoNCE, kSupervised };

// With |s| <= 1, exponents of 2 lie within ±scale. This leaves room for the sum of 2^26 of the
// largest, and below the smallest for terms 2^-26 of it.
template <typename T>
constexpr T kLargestExponent = std::is_same_v<T, float> ? 100 : 900;

// Rows that are read from one matrix, in the element type of the kernels.
struct Segment {
  const void* z;
  int64_t rows;
};

template <typename T>
class Engine {
 public:
  // The rows of `own` get losses and gradients; those of `others` are only compared with.
  Engine(const ContrastKernels<T>& kernels, Objective objective, std::vector<Segment> own,
         std::vector<Segment> others, const std::vector<T>& labels, int64_t dim, double temperature,
         bool normalize)
      : kernels_(kernels), objective_(objective), normalize_(normalize), k_(1 / temperature) {
    int64_t most = 1;
    for (const auto& segment : own) most = std::max(most, segment.rows);
    const int64_t tile = tile_rows(most, kernels_.many_rows);
    const auto add = [&](const Segment& segment) {
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
    o_.gradient_rows = own_blocks_ * tile;
    o_.block_rows = block_rows_.data();
    packed_.emplace(kernels_.packed_bytes(o_));
    o_.packed = packed_->get();
    o_.labels = nullptr;
    if (objective == Objective::kSupervised) {
      labels_.assign(o_.padded_rows, T(-1));
      for (int64_t i = 0; i < rows_; ++i) labels_[padded_[i]] = labels[i];
      o_.labels = labels_.data();
      partners_ = Partners(labels);
    } else {
      partners_ = Partners(rows_, padded_.size() - rows_);
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
    const int64_t others_blocks = static_cast<int64_t>(block_rows_.size()) - own_blocks_;
    schedule_ = objective == Objective::kInfoNCE
                    ? two_tower_schedule(own_blocks_)
                    : symmetric_schedule(own_blocks_, others_blocks, !o_.labels);
  }

  int64_t rows() const { return rows_; }

  // Own rows that have a positive, over which a mean is taken.
  int64_t anchors() const {
    int64_t count = 0;
    for (int64_t i = 0; i < rows_; ++i) count += partners_.any(i);
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
    const int64_t number = sizeof(T);
    const int64_t tile_bytes = o_.tile * o_.tile * number;
    // More than two copies of the rows come out of the same memory.
    const int64_t two_copies = 2 * o_.padded_rows * o_.padded_dim * number;
    workspace_bytes -= std::max<int64_t>(0, kernels_.packed_bytes(o_) - two_copies);
    if (!kernels_.stores_tiles) workspace_bytes = 0;
    const int64_t wanted = std::clamp<int64_t>(workspace_bytes / tile_bytes, 0, schedule_.size());
    workspace_.emplace(wanted * tile_bytes);
    stored_ = workspace_->data() ? wanted : 0;
    o_.stream = stored_ * tile_bytes > kCacheBytes;
    const ContrastSums<T> out{negatives_.view(), positives_.view(), similarities_.data()};
    for_each_tile([&](int64_t t, T* scratch) {
      kernels_.sums(o_, schedule_[t], out, stored_tile(t), scratch);
    });
    positive_.resize(rows_);
    losses_.resize(rows_);
    const int64_t firsts = o_.labels ? rows_ : rows_ / 2;
    at::parallel_for(0, firsts, kRowGrain / 2, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t pair = partners_.pair_of(i);
        if (pair >= 0 && pair < i) continue;  // done with its pair
        positive_[i] = pair >= 0
                           ? kernels_.dot(o_, padded_[i], padded_[pair])
                           : similarities_[padded_[i]] / std::max<int64_t>(1, partners_.count(i));
        losses_[i] = loss_of(i);
        if (pair < 0) continue;
        positive_[pair] = positive_[i];
        losses_[pair] = loss_of(pair);
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

  double loss(int64_t i) const { return losses_[i]; }

  // ∂L/∂z [rows, D] to `outputs` for L = Σ_i upstream_i·loss_i over all rows, others included;
  // returns ∂L/∂τ of the sum over own rows, if make_sums made moments.
  template <typename Upstream>
  double make_gradients(Upstream upstream, const std::vector<void*>& outputs,
                        const std::vector<int64_t>& output_rows) {
    const int64_t all = padded_.size();
    const int64_t with_labels = o_.labels ? o_.padded_rows : 0;
    std::vector<T> negative(o_.padded_rows, T(0));
    std::vector<T> positive(with_labels, T(0));
    std::vector<T> constant(with_labels, T(0));
    std::vector<double> upstreams(all), missed(all);  // g_i and c_i
    at::parallel_for(0, all, kRowGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        upstreams[i] = partners_.any(i) ? upstream(i) : 0.0;
        missed[i] = upstreams[i];
        if (objective_ == Objective::kDecoupled || !partners_.any(i)) continue;
        const double d = difference(i);
        const double e = std::exp(-std::abs(d));
        missed[i] *= (d < 0 ? e : 1.0) / (1 + e);
      }
    });
    double largest = 0;
    for (const double one : missed) largest = std::max(largest, std::abs(one));
    // Where all positives have nearly all the mass, weights would be too small for a float.
    const double unit =
        largest > 0 && largest < std::numeric_limits<double>::infinity() ? largest : 1.0;
    for (int64_t i = 0; i < all; ++i) {
      const int64_t at = padded_[i];
      missed[i] /= unit;
      const double sum = negatives_.sums[at];
      if (sum != 0) negative[at] = static_cast<T>(missed[i] / sum);
      if (partners_.several(i)) {
        const double g = upstreams[i] / unit;
        positive[at] = static_cast<T>((g - missed[i]) / positives_.sums[at]);
        constant[at] = static_cast<T>(g / partners_.count(i));
      }
    }
    negatives_.finish();
    positives_.finish();
    const int64_t size = o_.gradient_rows * o_.padded_dim;
    const Buffer<T> gradients(size);
    const ContrastWeights<T> weights{
        {negative.data(), online_ ? negatives_.maxima.data() : nullptr},
        {positive.data(), online_ ? positives_.maxima.data() : nullptr},
        constant.data()};
    for_each_tile([&](int64_t t, T* scratch) {
      kernels_.gradient(o_, schedule_[t], weights, stored_tile(t), gradients.get(), scratch);
    });
    at::parallel_for(0, rows_, std::max<int64_t>(1, 16384 / o_.dim),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         const int64_t partner = partners_.pair_of(i);
                         const int64_t pair = partner < 0 ? i : partner;
                         const double pull = pair != i ? missed[i] + missed[pair] : 0.0;
                         int64_t output = 0;
                         int64_t row = i;
                         while (row >= output_rows[output]) row -= output_rows[output++];
                         kernels_.finish(o_, padded_[i], padded_[pair], pull, norms_[i], normalize_,
                                         k_ * unit, gradients.get(), row_of(outputs[output], row));
                       }
                     });
    // ∂L/∂τ of the rows' own losses.
    double sum = 0;
    for (int64_t i = 0; i < rows_; ++i) {
      const int64_t at = padded_[i];
      const bool several = partners_.several(i);
      const double of_positives = several ? positives_.mean(at) : positive_[i];
      if (several) sum += upstreams[i] * (of_positives - positive_[i]);
      if (negatives_.sums[at] != 0) sum += missed[i] * unit * (negatives_.mean(at) - of_positives);
    }
    return -k_ * k_ * sum;
  }

 private:
  // What the caches near the cores may keep from one pass to the next.
  static constexpr int64_t kCacheBytes = 4 << 20;

  // Rows for one thread at least, where each takes 100 ns.
  static constexpr int64_t kRowGrain = 128;

  double loss_of(int64_t i) const {
    if (!partners_.any(i)) return 0;
    const double d = difference(i);
    if (objective_ == Objective::kDecoupled) return d;
    return spread(i) + std::max(d, 0.0) + std::log1p(std::exp(-std::abs(d)));
  }

  // d_i, without a number of size k in either of its terms.
  double difference(int64_t i) const {
    const int64_t at = padded_[i];
    double logarithm = std::log2(negatives_.sums[at]);
    double other = positive_[i];
    if (partners_.several(i)) {
      logarithm -= std::log2(positives_.sums[at]);
      other = positives_.maximum(at);
    }
    const double maximum = negatives_.maximum(at);
    if (maximum == -std::numeric_limits<double>::infinity())
      return other * 0 + logarithm;  // no negatives, or a NaN
    return M_LN2 * (logarithm + (maximum - other) * o_.scale);
  }

  // log a_i - k·mean s_ip: 0 for a single positive.
  double spread(int64_t i) const {
    if (!partners_.several(i)) return 0;
    const int64_t at = padded_[i];
    const double above = (positives_.maximum(at) - positive_[i]) * o_.scale;
    return M_LN2 * (std::log2(positives_.sums[at]) + above);
  }

  template <typename Void>
  Void* row_of(Void* z, int64_t row) const {
    using Byte = std::conditional_t<std::is_const_v<Void>, const char, char>;
    return static_cast<Byte*>(z) + row * o_.dim * kernels_.element_bytes;
  }

  void pack(const Segment& segment, int64_t first) {
    const int64_t panel = kernels_.panel;
    const int64_t blocks = ceil_div(segment.rows, o_.tile);
    const int64_t panels = o_.tile / panel;
    const int64_t first_padded = segment.rows ? padded_[first] : 0;
    const int64_t grain = std::max<int64_t>(1, 16384 / (panel * o_.dim));
    at::parallel_for(0, blocks * panels, grain, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t row = p * panel;  // blocks follow each other, and only the last is not full
        const int64_t count = std::clamp<int64_t>(segment.rows - row, 0, panel);
        kernels_.pack(o_, row_of(segment.z, std::min(row, segment.rows)), count, normalize_,
                      first_padded + row, norms_.data() + first + std::min(row, segment.rows));
      }
    });
  }

  T* stored_tile(int64_t t) const {
    if (t >= stored_) return nullptr;
    return reinterpret_cast<T*>(workspace_->data()) + t * o_.tile * o_.tile;
  }

  // visit(t, scratch) for every tile.
  template <typename Visit>
  void for_each_tile(Visit visit) {
    const int64_t size = ceil_div(kernels_.scratch(o_.tile), 16) * 16;
    const Buffer<T> scratch(size * at::get_num_threads());
    schedule_.for_each_tile(
        [&](int64_t t) { visit(t, scratch.get() + size * at::get_thread_num()); });
  }

  const ContrastKernels<T>& kernels_;
  const Objective objective_;
  const bool normalize_;
  const double k_;
  ContrastOperands<T> o_{};
  bool online_ = false;
  int64_t rows_ = 0;        // own
  int64_t own_blocks_ = 0;  // before those of others
  std::vector<int64_t> block_rows_;
  std::vector<int64_t> padded_;  // [all rows] padded index of each row
  std::optional<Buffer<char>> packed_;
  std::vector<T> labels_;
  Partners partners_;
  std::vector<double> norms_, similarities_, positive_, losses_;
  Totals<T> negatives_, positives_;
  Schedule schedule_;
  std::optional<Workspace> workspace_;
  int64_t stored_ = 0;
};

}  // namespace simclr_bench
