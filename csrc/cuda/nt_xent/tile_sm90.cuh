// Tiles of similarities on Hopper: a block of threads has 128 rows and runs over blocks of columns.
//
// One warpgroup is the producer: a thread of it brings rows to shared memory by bulk copies, each a
// slice of one part of a block (nt_xent.cuh), which wgmma takes as it is. Two warpgroups are the
// consumers, of 64 rows each, and have most of the registers. The block's own rows stay in shared
// memory where there is room for them beside a ring of slices of the columns; else they come
// through the ring as well, again for each tile.
//
// The consumers take turns where the ring is large enough: one multiplies while the other works on
// its similarities.

#pragma once

#include "../hopper.cuh"
#include "tile.cuh"

namespace simclr_bench::sm90 {

constexpr int kConsumers = 256;
constexpr int kTileThreads = kConsumers + 128;
constexpr int kPieceBytes = kTile * kSlice * 2;  // of one part of a slice of a block
constexpr int kPieces = 13;                      // that a multiprocessor has room for
constexpr int kBarrierBytes = 1024;              // and more than are needed

// How kPieces are shared out: decided on the host.
struct TilePlan {
  int slices;
  int stages;  // of the ring
  bool stays;  // the block's own rows, beside the ring
  bool turns;  // consumers take turns

  static constexpr int kBytes = kPieces * kPieceBytes + kBarrierBytes;
};

template <typename Numbers>
TilePlan plan_tiles(const Layout& layout) {
  constexpr int kParts = Numbers::parts;
  constexpr int kFewest = kParts < 3 ? 4 : 6;  // two slices, and copies need their time
  const auto slices = static_cast<int>(layout.padded_dim / kSlice);
  const int pieces = slices * kParts;  // of a block
  const bool stays = pieces + kFewest <= kPieces;
  const int stages = stays ? kPieces - pieces : kPieces;
  // The tile of both has to fit the ring; and the next one too, where each piece is in few
  // products.
  const int of_tiles = kParts == 1 ? 2 * pieces : pieces;
  return {slices, stages, stays, stays && of_tiles <= stages};
}

// A consumer's part of a tile: 64 rows, kWidth columns. The products of leading parts are added up
// apart from the others, as in tile.cuh.
template <typename Numbers, int kWidth = kTile>
struct WarpgroupProducts {
  static constexpr bool kSingle = Numbers::parts == 1;

  float leading[kWidth / 8][4];
  float others[kSingle ? 1 : kWidth / 8][4];  // not used by one part

  __device__ float sum(int n, int r) const {
    if constexpr (kSingle) {
      return leading[n][r];
    } else {
      return leading[n][r] + others[n][r];
    }
  }
};

template <typename Numbers>
class Tiles {
 public:
  // All threads of the block; memory: TilePlan::kBytes.
  __device__ Tiles(const Contrast& c, const TilePlan& plan, unsigned char* memory)
      : c_(c),
        plan_(plan),
        own_(shared_address(memory)),
        buffers_(own_ + (plan.stays ? plan.slices * kParts * kPieceBytes : 0)),
        own_full_(own_ + kPieces * kPieceBytes),
        ring_(own_full_ + 8 * kPieces, plan.stages),
        used_(ring_) {
    if (threadIdx.x == 0) {
      for (int i = 0; i < kPieces; ++i) init_barrier(own_full_ + 8 * i, 1);
      ring_.init(kConsumers / 32);
    }
    __syncthreads();
  }

  static __device__ bool is_producer() { return threadIdx.x >= kConsumers; }
  static __device__ int warpgroup() { return static_cast<int>(threadIdx.x) / 128; }
  static __device__ int first_row() { return static_cast<int>(threadIdx.x) / 32 * 16; }

  // The producer: the tiles of row_block and of columns begin .. end - 1.
  __device__ void fetch(int64_t row_block, int64_t begin, int64_t end) {
    give_registers<24>();
    if (threadIdx.x != kConsumers) return;
    for (int64_t column_block = begin; column_block < end; ++column_block) {
      for (int slice = 0; slice < plan_.slices; ++slice) {
        if (!plan_.stays) {
          for (int p = 0; p < kParts; ++p) fetch_piece(p, row_block, slice);
        } else if (column_block == begin) {
          const uint32_t full = own_full_ + 8 * slice;
          arrive_expecting(full, kParts * kPieceBytes);
          for (int p = 0; p < kParts; ++p) copy(own_piece(slice, p), p, row_block, slice, full);
        }
        for (int q = 0; q < kParts; ++q) fetch_piece(q, column_block, slice);
      }
    }
  }

  // A consumer, before anything else.
  __device__ void begin() const {
    take_registers<240>();
    if (plan_.turns && warpgroup() == 1) notify_threads<kConsumers>(1);  // the first one's turn
  }

  // A consumer: the products of the next tile.
  __device__ void multiply(WarpgroupProducts<Numbers>& products, bool is_last) {
    constexpr uint32_t kStep = 32;  // bytes of 16 columns
    const uint32_t mine = warpgroup() * (kTile / 2) * kSlice * 2;
    if (plan_.turns) sync_threads<kConsumers>(1 + warpgroup());
    for (int slice = 0; slice < plan_.slices; ++slice) {
      uint32_t rows[kParts];
      uint32_t columns[kParts];
      if (plan_.stays) wait(own_full_ + 8 * slice, 0);
#pragma unroll
      for (int p = 0; p < kParts; ++p)
        rows[p] = mine + (plan_.stays ? own_piece(slice, p) : next_piece());
#pragma unroll
      for (int q = 0; q < kParts; ++q) columns[q] = next_piece();
      fence_products();
#pragma unroll
      for (int q = kParts - 1; q >= 0; --q) {
#pragma unroll
        for (int step = 0; step < kSlice / 16; ++step) {
#pragma unroll
          for (int p = kParts - 1 - q; p >= 0; --p) {
            const uint64_t a = along_rows(rows[p] + step * kStep);
            const uint64_t b = along_rows(columns[q] + step * kStep);
            if constexpr (WarpgroupProducts<Numbers>::kSingle) {
              multiply_rows<Numbers::half>(products.leading, a, b, slice + step);
            } else if (p + q == 0) {
              multiply_rows<Numbers::half>(products.leading, a, b, slice + step);
            } else {
              const bool is_first = q == kParts - 1 && step == 0;
              multiply_rows<Numbers::half>(products.others, a, b, slice + !is_first);
            }
          }
        }
      }
      commit_products();
      if (slice > 0) {
        wait_for_products<1>();
        give_back();  // the slice before
      }
    }
    if (plan_.turns && !(is_last && warpgroup() == 1)) notify_threads<kConsumers>(2 - warpgroup());
    wait_for_products<0>();
    give_back();
    settle(products.leading);
    if constexpr (!WarpgroupProducts<Numbers>::kSingle) settle(products.others);
  }

 private:
  static constexpr int kParts = Numbers::parts;

  __device__ uint32_t own_piece(int slice, int part) const {
    return own_ + (slice * kParts + part) * kPieceBytes;
  }
  __device__ void copy(uint32_t to, int part, int64_t block, int slice, uint32_t barrier) const {
    copy_bulk(to, c_.slice(part, block * kTile, slice), kPieceBytes, barrier);
  }
  __device__ void fetch_piece(int part, int64_t block, int slice) {
    ring_.wait_until_empty();
    arrive_expecting(ring_.full(), kPieceBytes);
    copy(buffers_ + ring_.stage * kPieceBytes, part, block, slice, ring_.full());
    ring_.next();
  }
  __device__ uint32_t next_piece() {
    ring_.wait_until_full();
    const uint32_t piece = buffers_ + ring_.stage * kPieceBytes;
    ring_.next();
    return piece;
  }
  // A slice's pieces of the ring; the warp has done with them.
  __device__ void give_back() {
    __syncwarp();
    for (int i = 0; i < (plan_.stays ? kParts : 2 * kParts); ++i) {
      if (threadIdx.x % 32 == 0) used_.give_back();
      used_.next();
    }
  }

  const Contrast& c_;
  const TilePlan& plan_;
  uint32_t own_, buffers_, own_full_;
  Ring<kPieces> ring_;
  Ring<kPieces> used_;  // what has not been given back begins here
};

}  // namespace simclr_bench::sm90
