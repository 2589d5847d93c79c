// What the kernels of small.cu share beside packing: a block's own rows i, the rows j that it has
// to multiply them with, and their products.

#pragma once

#include "small_pack.cuh"
#include "tile.cuh"

namespace simclr_bench {

// What a block knows of its rows i, in shared memory.
struct OwnRows {
  float scales[kOwn], norms[kOwn], pair_norms[kOwn];
  double similarities[kOwn];  // of the positives, from sums in double

  // Packs them; the first kOwn teams of the block do, one row each.
  template <typename Numbers, typename element_t>
  __device__ void pack(const Views<element_t>& views, int first, unsigned char* tiles) {
    if (views.whole()) {
      pack_by<Numbers, true>(views, first, tiles);
    } else {
      pack_by<Numbers, false>(views, first, tiles);
    }
  }

  template <typename Numbers, bool kWhole, typename element_t>
  __device__ void pack_by(const Views<element_t>& views, int first, unsigned char* tiles) {
    const int place = static_cast<int>(threadIdx.x) / kTeam;
    if (place >= kOwn) return;  // whole warps
    const int rows[2] = {first + place, views.pair_of(first + place)};
    TeamRows<element_t, 2, kWhole, false> both(views, rows);
    Length lengths[2];
    both.template measure<Numbers>(lengths);
    float mine[kPiece];
    double products = 0;
    both.each([&](int r, int, const float(&x)[kPiece]) {
#pragma unroll
      for (int e = 0; e < kPiece; ++e) {
        if (r == 0) {
          mine[e] = x[e];
        } else {
          products += double{mine[e]} * double{x[e]};
        }
      }
    });
    for (int lanes = kTeam / 2; lanes > 0; lanes /= 2)
      products += __shfl_xor_sync(0xffffffff, products, lanes);
    const int places[1] = {place};
    both.template pack<Numbers, kOwn, Numbers::parts>(lengths, places, tiles);
    if (threadIdx.x % kTeam != 0) return;
    scales[place] = lengths[0].scale;
    norms[place] = lengths[0].norm;
    pair_norms[place] = lengths[1].norm;
    similarities[place] = products * (lengths[0].factor() * lengths[1].factor());
  }
};

// Groups of rows j that a block's rows i are compared with: its share of all, or of those of the
// other view.
struct Columns {
  int begin, groups;

  template <typename element_t>
  __device__ Columns(const Views<element_t>& views, int first) {
    const int last = min(first + kOwn, views.rows()) - 1;
    begin = views.towers && last < views.pairs ? views.pairs : 0;
    const int end = views.towers && first >= views.pairs ? views.pairs : views.rows();
    const int all = (end - begin + kGroup - 1) / kGroup;
    const int splits = static_cast<int>(gridDim.y);
    const int split = static_cast<int>(blockIdx.y);
    const int before = all * split / splits;
    begin += before * kGroup;
    groups = all * (split + 1) / splits - before;
  }
};

// Similarities of the block's rows i with a group of rows j.
template <typename Numbers, int kMatrices>
__device__ void multiply_group(const unsigned char* own, const unsigned char* group, int slices,
                               Products<Numbers, 1, kGroup / 8>& products) {
  const uint32_t left = shared_address(own) + left_offset(0);
  const uint32_t right = shared_address(group) + right_offset(0);
#pragma unroll 2
  for (int step = 0; step < 2 * slices; ++step) {
    products.template add<kOwn, kGroup>(left + step * Tiles<kOwn, Numbers::parts>::kStepBytes,
                                        right + step * Tiles<kGroup, kMatrices>::kStepBytes);
  }
}

}  // namespace simclr_bench
