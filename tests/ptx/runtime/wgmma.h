// wgmma.mma_async: products whose operands lie in shared memory, by warpgroups of four warps.
//
// Warp w computes rows 16w to 16w + 15 of D; the four need not come together. With g = lane / 4 and
// t = lane % 4, register i of D is row g + 8·(i / 2 % 2), column 8·(i / 4) + 2t + i % 2, and A from
// registers lies as that of mma.sync (tensor.h).
//
// A descriptor of an operand holds, by 16 bytes, where it starts and two distances, `leading` and
// `stride`. Element k of row or column i lies, for elements of s bytes and lines of w = 16, 32, 64
// or 128 bytes (no swizzle, and three kinds of it), before addresses are swizzled, at
//
//   k is contiguous       start + i/8·stride + i%8·w + k·s,     and w = 16: k·s/16·leading + k·s%16
//   i is contiguous       start + i/(w/2)·leading + i%(w/2)·2 + k/8·stride + k%8·w
//             and w = 16: start + i/8·stride + i%8·2 + k/8·leading + k%8·16
//
// Products are computed at once. That D's registers are not read before wait_group is for ptxas to
// see; that operands stay as they are is checked here.

#pragma once

#include <cstdint>

#include "device.h"
#include "memory.h"
#include "proxies.h"
#include "tensor.h"
#include "tensor_map.h"

namespace ptx {

struct WarpgroupOperands {
  const uint32_t* a_registers;  // null: a descriptor
  uint64_t a, b;
  bool accumulate;
  int sign_a, sign_b;
  bool transposed_a, transposed_b;  // i is contiguous
};

// Registers of D have been left alone, or fenced; the warpgroup is complete.
void check_product(Thread& self, const Site& site, const WarpgroupOperands& operands,
                   const float* d, int count);
// The lane has read its part of the operands.
void enter_product(Thread& self, const Site& site, const WarpgroupOperands& operands);
// D has become `d`.
void leave_product(Thread& self, const float* d, int count);

void warpgroup_fence(Thread& self);
void warpgroup_commit(Thread& self);
// All groups of products but the latest `pending` ones are done.
void end_products(Thread& self, uint32_t pending);

class Operand {
 public:
  Operand(Thread& self, const Site& site, uint64_t descriptor, bool transposed, uint32_t bytes)
      : self_(self),
        site_(site),
        start_((descriptor & 0x3fff) << 4),
        leading_((descriptor >> 16 & 0x3fff) << 4),
        stride_((descriptor >> 32 & 0x3fff) << 4),
        swizzle_((4 - (descriptor >> 62)) % 4),
        transposed_(transposed),
        bytes_(bytes) {
    if (descriptor >> 49 & 7) fail(self, site, "base offset of a descriptor");
    if (start_ & ((1u << (7 + swizzle_)) - 1) & ~0x7fu) {
      fail(self, site, "a matrix at %u: the pattern of its swizzle does not begin there", start_);
    }
  }

  uint32_t address(uint32_t i, uint32_t k) const {
    const uint32_t width = 16u << swizzle_;
    uint32_t at = start_;
    if (!transposed_) {
      const uint32_t x = k * bytes_;
      at += i / 8 * stride_ + i % 8 * width + (swizzle_ ? x : x / 16 * leading_ + x % 16);
    } else if (swizzle_) {
      at += i / (width / 2) * leading_ + i % (width / 2) * 2 + k / 8 * stride_ + k % 8 * width;
    } else {
      at += i / 8 * stride_ + i % 8 * 2 + k / 8 * leading_ + k % 8 * 16;
    }
    return swizzled(at, swizzle_);
  }

  template <typename element_t>
  double read(uint32_t i, uint32_t k) const {
    const uint32_t at = address(i, k);
    async_read(self_, site_, at, bytes_);
    const unsigned char* memory = self_.block->shared + at;
    if constexpr (sizeof(element_t) == 2) {
      return element(element_t{}, load<uint16_t>(memory).values[0], 0);
    } else {
      return element(element_t{}, load<uint32_t>(memory).values[0], 0);
    }
  }

 private:
  Thread& self_;
  const Site& site_;
  uint32_t start_, leading_, stride_, swizzle_;
  bool transposed_;
  uint32_t bytes_;
};

// What a lane brings: it reads some rows of the operands, so that sanitizers see who does.
template <typename element_t, int columns>
struct WarpgroupProduct {
  static constexpr int kPerRegister = 4 / sizeof(element_t);
  static constexpr int kDepth = 8 * kPerRegister;

  Thread* self;
  const Site* site;
  const WarpgroupOperands* operands;
  float* d;
  double a[kDepth / 2];                   // row lane / 2, its first or second half
  double b[(columns + 31) / 32][kDepth];  // rows lane, lane + 32, ...

  void read_operands() {
    const uint32_t lane = self->lane;
    if (!operands->a_registers) {
      const Operand from(*self, *site, operands->a, operands->transposed_a, sizeof(element_t));
      const uint32_t row = self->linear % 128 / 32 * 16 + lane / 2;
      for (uint32_t k = 0; k < kDepth / 2; ++k) {
        a[k] = from.read<element_t>(row, lane % 2 * (kDepth / 2) + k);
      }
    }
    const Operand from(*self, *site, operands->b, operands->transposed_b, sizeof(element_t));
    for (uint32_t j = lane; j < columns; j += 32) {
      for (uint32_t k = 0; k < kDepth; ++k) b[j / 32][k] = from.read<element_t>(j, k);
    }
  }

  static void multiply(void* const* lanes) {
    const auto at = [lanes](int lane) { return static_cast<WarpgroupProduct*>(lanes[lane]); };
    check_all_lanes<WarpgroupProduct>(lanes);
    const WarpgroupOperands& shared = *at(0)->operands;
    double left[16][kDepth];
    for (int lane = 0; lane < 32; ++lane) {
      const WarpgroupOperands& mine = *at(lane)->operands;
      if (mine.a != shared.a || mine.b != shared.b || mine.accumulate != shared.accumulate) {
        fail(*at(lane)->self, *at(lane)->site, "descriptors or scale-d differ between lanes");
      }
      constexpr int kHalf = kDepth / 2;
      for (int k = 0; k < kHalf && !shared.a_registers; ++k) {
        left[lane / 2][lane % 2 * kHalf + k] = at(lane)->a[k];
      }
      for (int r = 0; r < 4 && shared.a_registers; ++r) {
        for (int h = 0; h < kPerRegister; ++h) {
          left[lane / 4 + 8 * (r % 2)][lane % 4 * kPerRegister + h + kHalf * (r / 2)] =
              element(element_t{}, mine.a_registers[r], h);
        }
      }
    }
    const int sign = shared.sign_a * shared.sign_b;
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < columns / 2; ++i) {
        const double* row = left[lane / 4 + 8 * (i / 2 % 2)];
        const int j = 8 * (i / 4) + lane % 4 * 2 + i % 2;
        const double* column = at(j % 32)->b[j / 32];
        double sum = 0;
        for (int k = 0; k < kDepth; ++k) sum += row[k] * column[k];
        float& d = at(lane)->d[i];
        d = static_cast<float>((shared.accumulate ? d : 0.0) + sign * sum);
      }
    }
  }
};

template <typename element_t, int columns>
inline void warpgroup_multiply(Thread& self, const Site& site, const WarpgroupOperands& operands,
                               float* d) {
  check_product(self, site, operands, d, columns / 2);
  using Product = WarpgroupProduct<element_t, columns>;
  Product mine;
  mine.self = &self;
  mine.site = &site;
  mine.operands = &operands;
  mine.d = d;
  mine.read_operands();
  enter_product(self, site, operands);
  warp_rendezvous(self, site, 0xffffffff, &mine, Product::multiply);
  leave_product(self, d, columns / 2);
}

// The whole warp waits, and has waited.
inline void warpgroup_wait(Thread& self, const Site& site, uint32_t pending) {
  struct Wait {
    Thread* self;
    const Site* site;
    uint32_t pending;
  } mine{&self, &site, pending};
  warp_rendezvous(self, site, 0xffffffff, &mine, [](void* const* lanes) {
    check_all_lanes<Wait>(lanes);
    for (int lane = 0; lane < 32; ++lane) {
      const Wait& each = *static_cast<Wait*>(lanes[lane]);
      end_products(*each.self, each.pending);
    }
  });
}

}  // namespace ptx
