// Matrices that the lanes of a warp hold together: ldmatrix, mma.sync.
//
// Which lane holds which element is that of the figures in the PTX manual's "Matrix Fragments".
// With g = lane / 4 and t = lane % 4, element h of register r is
//
//   A, 16-bit   row g + 8·(r % 2)   column 2t + h + 8·(r / 2)
//   B, 16-bit   row 2t + h + 8r     column g
//   A, tf32     row g + 8·(r % 2)   column t + 4·(r / 2)
//   B, tf32     row t + 4r          column g
//   C, D        row g + 8·(r / 2)   column 2t + r % 2

#pragma once

#include <cstdint>

#include "conversion.h"
#include "device.h"
#include "memory.h"
#include "values.h"

namespace ptx {

struct MatrixRows {
  Thread* self;
  const Site* site;
  uint16_t row[8];
  uint32_t* registers;
};

// Lanes that have returned are missing.
template <typename argument_t>
inline void check_all_lanes(void* const* lanes) {
  const argument_t* present = nullptr;
  for (int lane = 0; lane < 32; ++lane) {
    if (lanes[lane]) present = static_cast<const argument_t*>(lanes[lane]);
  }
  for (int lane = 0; lane < 32; ++lane) {
    if (!lanes[lane]) fail(*present->self, *present->site, "lane %d does not take part", lane);
  }
}

// Lane 8j + i brings row i of matrix j. `address` is read by the lanes that bring one.
template <int matrices, bool transposed>
inline void load_matrices(Thread& self, const Site& site, uint32_t address,
                          uint32_t (&registers)[matrices]) {
  MatrixRows mine{&self, &site, {}, registers};
  if (self.lane < 8 * matrices) {
    const unsigned char* row = shared(self, site, address, 16);
    for (int i = 0; i < 8; ++i) mine.row[i] = load<uint16_t>(row + 2 * i).values[0];
  }
  warp_rendezvous(self, site, 0xffffffff, &mine, [](void* const* lanes) {
    const auto at = [lanes](int lane) { return static_cast<MatrixRows*>(lanes[lane]); };
    check_all_lanes<MatrixRows>(lanes);
    for (int lane = 0; lane < 32; ++lane) {
      for (int j = 0; j < matrices; ++j) {
        uint32_t halves[2];
        for (int h = 0; h < 2; ++h) {
          const int fast = lane % 4 * 2 + h;
          const int slow = lane / 4;
          halves[h] = at(8 * j + (transposed ? fast : slow))->row[transposed ? slow : fast];
        }
        at(lane)->registers[j] = halves[0] | halves[1] << 16;
      }
    }
  });
}

struct Tf32 {
  uint32_t bits;
};

// Element h of a register.
inline double element(Bfloat16, uint32_t reg, int h) {
  return float_of(Bfloat16{static_cast<uint16_t>(reg >> (16 * h))});
}
inline double element(Half, uint32_t reg, int h) {
  return float_of(Half{static_cast<uint16_t>(reg >> (16 * h))});
}
// The low 13 bits of a float are not looked at.
inline double element(Tf32, uint32_t reg, int) { return bits_as<float>(reg & 0xffffe000); }

// d += a·b for 16 x depth times depth x 8. The sum is rounded once; a device rounds more often.
template <typename element_t, int depth>
void multiply_matrices(Thread& self, const Site& site, const uint32_t* a, const uint32_t* b,
                       float* d);

}  // namespace ptx
