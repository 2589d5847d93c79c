// In which order the contrastive engine visits its tiles, so that every sum has one order.

#pragma once

#include <algorithm>
#include <cstdint>

#include "contrast.h"

namespace simclr_bench {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Large tiles reuse operands best; small problems need several for the threads.
inline int64_t tile_rows(int64_t rows) {
  return rows >= 4096 ? kLargestTile : rows >= 256 ? 128 : 64;
}

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

}  // namespace simclr_bench
