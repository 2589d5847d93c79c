// The partners of each row of the contrastive engine: the rows that are its positives.

#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

namespace simclr_bench {

class Partners {
 public:
  Partners() = default;

  // Two views of as many rows each: row i of one and row i of the other. Of the `others` that
  // follow it is known only that each has one.
  Partners(int64_t rows, int64_t others) : counts_(rows + others, 1), pairs_(rows + others, -1) {
    for (int64_t i = 0; i < rows; ++i) pairs_[i] = i < rows / 2 ? i + rows / 2 : i - rows / 2;
  }

  // Rows that share a label, which is a whole number below the number of rows.
  template <typename T>
  explicit Partners(const std::vector<T>& labels)
      : counts_(labels.size()), pairs_(labels.size(), -1) {
    const int64_t rows = labels.size();
    std::vector<int64_t> sizes(rows, 0);
    std::vector<int64_t> first(rows, -1);
    for (int64_t i = 0; i < rows; ++i) {
      const auto label = static_cast<int64_t>(labels[i]);
      const int64_t size = ++sizes[label];
      if (size == 1) first[label] = i;
      if (size == 2) std::tie(pairs_[i], pairs_[first[label]]) = std::tuple(first[label], i);
      if (size == 3) {
        pairs_[pairs_[first[label]]] = -1;
        pairs_[first[label]] = -1;
      }
    }
    for (int64_t i = 0; i < rows; ++i) counts_[i] = sizes[static_cast<int64_t>(labels[i])] - 1;
  }

  int64_t count(int64_t i) const { return counts_[i]; }
  bool any(int64_t i) const { return counts_[i] > 0; }
  bool several(int64_t i) const { return counts_[i] > 1; }

  // The one partner of a row; -1 if it has none or several.
  int64_t pair_of(int64_t i) const { return pairs_[i]; }

 private:
  std::vector<int64_t> counts_;
  std::vector<int64_t> pairs_;
};

}  // namespace simclr_bench
