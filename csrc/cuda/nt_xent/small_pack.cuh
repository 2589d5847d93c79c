// How the kernels of small.cu read rows: as they were given, by teams of 8 lanes, straight
// into tiles of packed rows in shared memory. A block packs all rows that it multiplies, so that
// this is most of its work: elements are read 8 at a time and, up to kKept slices, once.

#pragma once

#include <cstring>

#include "length.cuh"
#include "tile.cuh"

namespace simclr_bench {

constexpr int kOwn = 16;    // rows i of a block
constexpr int kGroup = 32;  // rows j that a warp packs and multiplies at a time: one per lane
constexpr int kTeam = 8;    // lanes
constexpr int kPiece = kSlice / kTeam;
constexpr int kKept = 2;  // slices of a row that stay in registers from one pass to the next
constexpr int kMostSlices = 8;

// Tiles of kRows packed rows: [D / kDepth, kMatrices]. Steps are apart by half of the banks more,
// so that pieces of a row in two of them lie in different banks.
template <int kRows, int kMatrices>
struct Tiles {
  static constexpr int kTileBytes = kRows * kRowBytes;
  static constexpr int kStepBytes = kMatrices * kTileBytes + kRowBytes;

  static __host__ __device__ int bytes(int slices) { return 2 * slices * kStepBytes; }
  static __device__ uint32_t offset(int row, int d) {
    return d / kDepth * kStepBytes + piece_offset(row, d % kDepth / 8);
  }
};

template <typename element_t>
struct Piece {
  element_t values[kPiece];
};

// Both views, the second after the first.
template <typename element_t>
struct Views {
  const element_t* z0;
  const element_t* z1;
  int pairs, dim, slices;
  bool normalize;
  bool towers;   // rows are compared with those of the other view
  bool aligned;  // rows begin at multiples of 16 bytes

  __device__ int rows() const { return 2 * pairs; }
  __device__ int pair_of(int i) const { return i < pairs ? i + pairs : i - pairs; }

  // Null of a row that does not exist.
  __device__ const element_t* row(int i) const {
    if (i >= rows()) return nullptr;
    return i < pairs ? z0 + int64_t{i} * dim : z1 + int64_t{i - pairs} * dim;
  }
  __device__ bool is_negative(int i, int j) const {
    return j < rows() && j != i && j != pair_of(i) && !(towers && (i < pairs) == (j < pairs));
  }
  // Whether rows can be read by pieces of 16 bytes or two, all or none of whose elements exist.
  __device__ bool whole() const { return aligned && dim % kPiece == 0; }

  // Elements of a row from d on; 0 of those that do not exist.
  template <bool kWhole>
  __device__ Piece<element_t> read(const element_t* z, int d) const {
    Piece<element_t> piece;
    if constexpr (kWhole) {
      uint4 bits[sizeof piece / sizeof(uint4)] = {};
      if (z && d < dim) {
#pragma unroll
        for (int i = 0; i < static_cast<int>(sizeof piece / sizeof(uint4)); ++i)
          bits[i] = __ldg(reinterpret_cast<const uint4*>(z + d) + i);
      }
      memcpy(&piece, bits, sizeof piece);
    } else {
#pragma unroll
      for (int e = 0; e < kPiece; ++e)
        piece.values[e] = z && d + e < dim ? z[d + e] : from_float<element_t>(0);
    }
    return piece;
  }
};

__device__ inline float team_sum(float x) {
  for (int lanes = kTeam / 2; lanes > 0; lanes /= 2) x += __shfl_xor_sync(0xffffffff, x, lanes);
  return x;
}

// A sum of squares below 4, up to 64 of them per lane. For unit rows in two numbers: multiples of
// 2^-12, which add up without rounding, and what is left.
template <typename Numbers>
struct Squares {
  float sum = 0;
  float rest = 0;

  __device__ void add(float x) {
    if constexpr (Numbers::holds_unit_rows) {
      constexpr float kShift = 3072;  // 1.5·2^11
      const float coarse = fmaf(x, x, kShift) - kShift;
      sum += coarse;
      rest += fmaf(x, x, -coarse);
    } else {
      sum = fmaf(x, x, sum);
    }
  }
  __device__ auto total() const {
    const float of_team = team_sum(sum);
    if constexpr (Numbers::holds_unit_rows) {
      return double{of_team} + double{team_sum(rest)};
    } else {
      return of_team;
    }
  }
};

// kCount rows of a team; kFew: of at most kKept slices.
template <typename element_t, int kCount, bool kWhole, bool kFew>
class TeamRows {
 public:
  __device__ TeamRows(const Views<element_t>& views, const int (&rows)[kCount]) : views_(views) {
#pragma unroll
    for (int r = 0; r < kCount; ++r) {
      z_[r] = views.row(rows[r]);
      power_[r] = 1;
    }
    if constexpr (kFew) read<kKept>(0, kept_);
  }

  // visit(r, d, x) with 8 elements x of row r from d on, of one slice after the other; times the
  // row's power, once it is measured.
  template <typename Visit>
  __device__ void each(Visit visit) {
    if constexpr (kFew) {
#pragma unroll
      for (int slice = 0; slice < kKept; ++slice) {
        if (slice >= views_.slices) continue;
#pragma unroll
        for (int r = 0; r < kCount; ++r) visit(r, at(slice), kept_[slice][r]);
      }
    } else {
#pragma unroll 1
      for (int slice = 0; slice < views_.slices; ++slice) {
        float x[1][kCount][kPiece];
        read<1>(slice, x);
#pragma unroll
        for (int r = 0; r < kCount; ++r) visit(r, at(slice), x[0][r]);
      }
    }
  }

  template <typename Numbers>
  __device__ void measure(Length (&lengths)[kCount]) {
    float largest[kCount] = {};
    each([&](int r, int, const float(&x)[kPiece]) {
#pragma unroll
      for (int e = 0; e < kPiece; ++e) largest[r] = fmaxf(largest[r], fabsf(x[e]));
    });
#pragma unroll
    for (int lanes = kTeam / 2; lanes > 0; lanes /= 2) {
#pragma unroll
      for (int r = 0; r < kCount; ++r)
        largest[r] = fmaxf(largest[r], __shfl_xor_sync(0xffffffff, largest[r], lanes));
    }
#pragma unroll
    for (int r = 0; r < kCount; ++r) power_[r] = power_of_two(largest[r]);
    Squares<Numbers> squares[kCount];
    each([&](int r, int, float(&x)[kPiece]) {
#pragma unroll
      for (int e = 0; e < kPiece; ++e) {
        if constexpr (kFew) x[e] *= power_[r];
        squares[r].add(x[e]);
      }
    });
#pragma unroll
    for (int r = 0; r < kCount; ++r)
      lengths[r] = length_of<Numbers>(squares[r].total(), power_[r], views_.normalize);
  }

  // The first kMatrices of the first kPacked rows, where they lie in tiles of kRows.
  template <typename Numbers, int kRows, int kMatrices, int kPacked>
  __device__ void pack(const Length (&lengths)[kCount], const int (&places)[kPacked],
                       unsigned char* tiles) {
    using T = Tiles<kRows, kMatrices>;
    each([&](int r, int d, const float(&x)[kPiece]) {
      if (r >= kPacked) return;
      uint32_t parts[kPiece / 2][Numbers::matrices];
#pragma unroll
      for (int e = 0; e < kPiece; e += 2)
        take_parts<Numbers>(lengths[r], x[e], x[e + 1], parts[e / 2]);
      unsigned char* to = tiles + T::offset(places[r], d);
#pragma unroll
      for (int m = 0; m < kMatrices; ++m) {
        *reinterpret_cast<uint4*>(to + m * T::kTileBytes) =
            make_uint4(parts[0][m], parts[1][m], parts[2][m], parts[3][m]);
      }
    });
  }

 private:
  // Where this lane's part of a slice begins.
  static __device__ int at(int slice) {
    return slice * kSlice + static_cast<int>(threadIdx.x) % kTeam * kPiece;
  }
  // All are on their way before the first is waited for.
  template <int kSlices>
  __device__ void read(int slice, float (&x)[kSlices][kCount][kPiece]) const {
    Piece<element_t> pieces[kSlices][kCount];
#pragma unroll
    for (int i = 0; i < kSlices * kCount; ++i) {
      pieces[i / kCount][i % kCount] =
          views_.template read<kWhole>(z_[i % kCount], at(slice + i / kCount));
    }
#pragma unroll
    for (int i = 0; i < kSlices * kCount * kPiece; ++i) {
      const int r = i / kPiece % kCount;
      const int s = i / kPiece / kCount;
      x[s][r][i % kPiece] = to_float(pieces[s][r].values[i % kPiece]) * power_[r];
    }
  }

  const Views<element_t>& views_;
  const element_t* z_[kCount];
  float power_[kCount];
  float kept_[kKept][kCount][kPiece];
};

// A warp packs kGroup rows j from `first` on; leaves their scales.
template <typename Numbers, int kMatrices, int kCount, bool kWhole, bool kFew, typename element_t>
__device__ void pack_group_by(const Views<element_t>& views, int first, unsigned char* tiles,
                              float* scales) {
  constexpr int kTeams = 32 / kTeam;
  const int team = static_cast<int>(threadIdx.x) % 32 / kTeam;
#pragma unroll 1
  for (int batch = 0; batch < kGroup; batch += kCount * kTeams) {
    int places[kCount];
    int rows[kCount];
#pragma unroll
    for (int r = 0; r < kCount; ++r) {
      places[r] = batch + r * kTeams + team;
      rows[r] = first + places[r];
    }
    TeamRows<element_t, kCount, kWhole, kFew> of_team(views, rows);
    Length lengths[kCount];
    of_team.template measure<Numbers>(lengths);
    of_team.template pack<Numbers, kGroup, kMatrices>(lengths, places, tiles);
    if (threadIdx.x % kTeam != 0) continue;
#pragma unroll
    for (int r = 0; r < kCount; ++r) scales[places[r]] = lengths[r].scale;
  }
}

template <typename Numbers, int kMatrices, typename element_t>
__device__ void pack_group(const Views<element_t>& views, int first, unsigned char* tiles,
                           float* scales) {
  constexpr int kCount = 4;  // rows whose latencies overlap
  if (!views.whole()) {
    pack_group_by<Numbers, kMatrices, 1, false, false>(views, first, tiles, scales);
  } else if (views.slices > kKept) {
    pack_group_by<Numbers, kMatrices, kCount, true, false>(views, first, tiles, scales);
  } else {
    pack_group_by<Numbers, kMatrices, kCount, true, true>(views, first, tiles, scales);
  }
}

}  // namespace simclr_bench
