// In which order the contrastive engine visits its tiles, so that every sum has one order.

#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "contrast.h"

namespace simclr_bench {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Large tiles reuse operands best, but no more threads than half of the blocks can work at once.
// `many` rows are enough for the largest.
inline int64_t tile_rows(int64_t rows, int64_t many) {
  return rows >= many ? kLargestTile : rows >= 256 ? 128 : 64;
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

// Tiles in rounds, in none of which two tiles add to the same block. What lies between two rounds
// is no barrier: a tile waits only until its own blocks have had all their earlier tiles.
class Schedule {
 public:
  // Rounds follow each other.
  void add(int64_t round, int64_t row_block, int64_t column_block, TilePart part, bool columns) {
    if (round == rounds()) rounds_.push_back({size(), size()});
    tiles_.push_back({static_cast<int32_t>(row_block), static_cast<int32_t>(column_block), part,
                      columns, next_turn(row_block), columns ? next_turn(column_block) : 0});
    rounds_.back().end = size();
  }

  int64_t rounds() const { return rounds_.size(); }
  int64_t size() const { return tiles_.size(); }
  const ContrastTile& operator[](int64_t t) const { return tiles_[t]; }

  // visit(t), which must not throw, on as many threads as find work. None begins a round before
  // every tile of the last one is begun, so that what a tile waits for is being done, however few
  // threads there are.
  template <typename Visit>
  void for_each_tile(Visit visit) const {
    const int64_t threads = std::min<int64_t>(at::get_num_threads(), most_at_once());
    std::vector<std::atomic<int32_t>> done(turns_.size());        // by block: turns
    std::vector<std::atomic<int32_t>> begun(rounds() * threads);  // by round and part: tiles
    const auto run = [&](int64_t t) noexcept {
      const ContrastTile& tile = tiles_[t];
      const bool two = tile.columns && tile.column_block != tile.row_block;
      wait(done[tile.row_block], tile.row_turn);
      if (two) wait(done[tile.column_block], tile.column_turn);
      visit(t);
      done[tile.row_block].fetch_add(two || !tile.columns ? 1 : 2, std::memory_order_release);
      if (two) done[tile.column_block].fetch_add(1, std::memory_order_release);
    };
    at::parallel_for(0, threads, 1, [&](int64_t thread, int64_t) {
      for (int64_t round = 0; round < rounds(); ++round) {
        const auto [first, last] = rounds_[round];
        // A thread's own part first, whose blocks it has had lately; then what others have left.
        for (int64_t i = 0; i < threads; ++i) {
          const int64_t part = (thread + i) % threads;
          const int64_t begin = first + (last - first) * part / threads;
          const int64_t end = first + (last - first) * (part + 1) / threads;
          std::atomic<int32_t>& count = begun[round * threads + part];
          // Neighbouring parts meet at their last tiles or at their first: a tile of the next round
          // needs its neighbours of this one, and so rarely one that has just been begun.
          for (int64_t n; (n = count.fetch_add(1, std::memory_order_relaxed)) < end - begin;) {
            run(part % 2 ? end - 1 - n : begin + n);
          }
        }
      }
    });
  }

 private:
  struct Round {
    int64_t begin, end;  // tiles
  };

  // Tiles of one round, but for the first: those of a block with itself are twice as many as any
  // later round has, and half as much work.
  int64_t most_at_once() const {
    int64_t most = rounds() == 1 ? size() : 1;
    for (int64_t round = 1; round < rounds(); ++round) {
      most = std::max(most, rounds_[round].end - rounds_[round].begin);
    }
    return most;
  }

  int32_t next_turn(int64_t block) {
    if (block >= static_cast<int64_t>(turns_.size())) turns_.resize(block + 1);
    return turns_[block]++;
  }

  static void wait(const std::atomic<int32_t>& done, int32_t turn) {
    while (done.load(std::memory_order_acquire) < turn) std::this_thread::yield();
  }

  std::vector<ContrastTile> tiles_;
  std::vector<Round> rounds_;
  std::vector<int32_t> turns_;  // by block: how many there are
};

// Every pair of `n` blocks, and each of them with `others` that get nothing back. Where the blocks
// are of two views, `paired`, the positives lie on the main diagonals of tiles n / 2 blocks apart.
inline Schedule symmetric_schedule(int64_t n, int64_t others, bool paired) {
  Schedule schedule;
  tournament(n, [&](int64_t round, int64_t i, int64_t j) {
    TilePart part = TilePart::kAll;
    if (i == j) part = TilePart::kAboveDiagonal;
    if (paired && j - i == n / 2) part = TilePart::kOffDiagonal;
    schedule.add(round, i, j, part, true);
  });
  const int64_t before = schedule.rounds();
  for (int64_t round = 0; round < others; ++round) {
    for (int64_t i = 0; i < n; ++i)
      schedule.add(before + round, i, n + (i + round) % others, TilePart::kAll, false);
  }
  return schedule;
}

// Each of the first n / 2 blocks with each of the rest.
inline Schedule two_tower_schedule(int64_t n) {
  Schedule schedule;
  for (int64_t round = 0; round < n / 2; ++round) {
    for (int64_t i = 0; i < n / 2; ++i) {
      const TilePart part = round == 0 ? TilePart::kOffDiagonal : TilePart::kAll;
      schedule.add(round, i, n / 2 + (i + round) % (n / 2), part, true);
    }
  }
  return schedule;
}

}  // namespace simclr_bench
