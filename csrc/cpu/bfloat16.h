// Products of bfloat16 matrices with sums in float, and the shuffles that pack for them. 512-bit
// vectors only.
//
// A product is 32 x 32 and as deep as asked, in steps of 32:
//
//   a   a step is [kA parts][32 rows][32 of the depth]
//   b   a step is [kB parts][16 pairs of the depth][32 columns][2]
//
// as the two instruction sets want it that multiply pairs of bfloat16: AMX, 16 rows by 16 columns
// at a time in a tile of registers, and AVX-512, a row by 16 columns. The parts of a number, of
// which each is 2^-8 of the one before or less, add up to it; three make a float. Products of parts
// p and q with p + q of the most parts or more are left out: they would be below the rounding of
// the sums.

#pragma once

#include "simd.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

using Bits = uint16_t;  // of a bfloat16
typedef uint16_t Halves __attribute__((vector_size(64)));

constexpr int64_t kSide = 32;
constexpr int64_t kStepElements = kSide * kSide;

template <typename V>
SIMCLR_BENCH_INLINE V vector_at(const Bits* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}

template <typename V>
SIMCLR_BENCH_INLINE void put(Bits* p, V v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

SIMCLR_BENCH_INLINE float to_float(Bits bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &word, sizeof(value));
  return value;
}

// Two vectors, rounded to nearest even; one after the other.
SIMCLR_BENCH_INLINE Halves to_bfloat16(Vec<float> first, Vec<float> second) {
  return reinterpret_cast<Halves>(_mm512_cvtne2ps_pbh(second, first));
}

// Lanes 0 to 15, or the upper half.
template <int half>
SIMCLR_BENCH_INLINE Vec<float> to_float(Halves v) {
  const __m512i bits = reinterpret_cast<__m512i>(v);
  const __m256i part = half ? _mm512_extracti64x4_epi64(bits, 1) : _mm512_castsi512_si256(bits);
  return reinterpret_cast<Vec<float>>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(part), 16));
}

// The next part of 32 numbers, which keep what is left.
SIMCLR_BENCH_INLINE Halves take_part(Vec<float>& first, Vec<float>& second) {
  const Halves part = to_bfloat16(first, second);
  first -= to_float<0>(part);
  second -= to_float<1>(part);
  return part;
}

// a0 b0 a1 b1 ...: of lanes 0 to 15, or of the upper half.
template <int half>
SIMCLR_BENCH_INLINE Words paired(Halves a, Halves b) {
  Halves lanes{};
#pragma GCC unroll 32
  for (int i = 0; i < 32; ++i) lanes[i] = 16 * half + i / 2 + i % 2 * 32;
  return reinterpret_cast<Words>(_mm512_permutex2var_epi16(reinterpret_cast<__m512i>(a),
                                                           reinterpret_cast<__m512i>(lanes),
                                                           reinterpret_cast<__m512i>(b)));
}

// Uses AMX's registers of the thread while it lives: sums in 0 to 3, operands in 4 to 7.
class TileProduct {
 public:
  static constexpr bool kInTiles = true;

  TileProduct() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } shapes;
    for (int i = 0; i < 8; ++i) {
      shapes.row_bytes[i] = 64;
      shapes.rows[i] = 16;
    }
    asm volatile("ldtilecfg %0" ::"m"(shapes));
  }
  ~TileProduct() { asm volatile("tilerelease"); }

  SIMCLR_BENCH_INLINE void start(float*) {
    asm volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" ::);
  }
  // Steps lie a_step and b_step elements apart.
  template <int kA, int kB>
  SIMCLR_BENCH_INLINE void add(const Bits* a, int64_t a_step, const Bits* b, int64_t b_step,
                               int64_t steps, float*) {
    // The small products first: what they are rounded by is small then.
    if constexpr (kA + kB > 2) {
      for (int64_t step = 0; step < steps; ++step) {
        add_small<kA, kB>(a + step * a_step, b + step * b_step);
      }
    }
    for (int64_t step = 0; step < steps; ++step) {
      read_a(a + step * a_step);
      read_b(b + step * b_step);
      multiply();
    }
  }
  // The sums [32, 32].
  SIMCLR_BENCH_INLINE void finish(float* sums) {
    write<0>(sums);
    write<1>(sums + 16);
    write<2>(sums + 16 * kSide);
    write<3>(sums + 16 * kSide + 16);
  }

 private:
  // One step of all products but those of the first parts. From one to the next only one operand
  // changes.
  template <int kA, int kB>
  SIMCLR_BENCH_INLINE void add_small(const Bits* a, const Bits* b) {
    static_assert((kA == 3 && kB == 3) || kA + kB == 3);
    if constexpr (kA == 3) {
      read_a(a + 2 * kStepElements);
      read_b(b);
      multiply();
      read_a(a + kStepElements);
      multiply();
      read_b(b + kStepElements);
      multiply();
      read_a(a);
      multiply();
      read_b(b + 2 * kStepElements);
    } else {
      read_a(a + (kA - 1) * kStepElements);
      read_b(b + (kB - 1) * kStepElements);
    }
    multiply();
  }

  SIMCLR_BENCH_INLINE void read_a(const Bits* a) {
    read<4>(a, 64);
    read<5>(a + 16 * 32, 64);
  }
  SIMCLR_BENCH_INLINE void read_b(const Bits* b) {
    read<6>(b, 128);
    read<7>(b + 32, 128);
  }
  SIMCLR_BENCH_INLINE void multiply() {
    asm volatile(
        "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\ttdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
        "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\ttdpbf16ps %%tmm7, %%tmm5, %%tmm3" ::);
  }

  template <int tile>
  static SIMCLR_BENCH_INLINE void read(const Bits* from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(tile) : "memory");
  }
  template <int tile>
  static SIMCLR_BENCH_INLINE void write(float* to) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(kSide * sizeof(float)), "i"(tile)
                 : "memory");
  }
};

// The sums stay in memory between calls.
class VectorProduct {
 public:
  static constexpr bool kInTiles = false;

  SIMCLR_BENCH_INLINE void start(float* sums) {
    for (int64_t i = 0; i < kSide * kSide; i += 16) store(sums + i, Vec<float>{});
  }
  template <int kA, int kB>
  SIMCLR_BENCH_INLINE void add(const Bits* a, int64_t a_step, const Bits* b, int64_t b_step,
                               int64_t steps, float* sums) {
    static_assert(kA == 1 && kB == 1);
    constexpr int64_t kRows = 8;
    for (int64_t row = 0; row < kSide; row += kRows) {
      __m512 block[kRows][2];
#pragma GCC unroll 8
      for (int64_t r = 0; r < kRows; ++r) {
        block[r][0] = load(sums + (row + r) * kSide);
        block[r][1] = load(sums + (row + r) * kSide + 16);
      }
      for (int64_t step = 0; step < steps; ++step) {
        const Bits* rows = a + step * a_step + row * 32;
        for (int64_t pair = 0; pair < 16; ++pair) {
          const Bits* columns = b + step * b_step + pair * 64;
          const __m512bh left = vector_at<__m512bh>(columns);
          const __m512bh right = vector_at<__m512bh>(columns + 32);
#pragma GCC unroll 8
          for (int64_t r = 0; r < kRows; ++r) {
            int32_t both;
            __builtin_memcpy(&both, rows + r * 32 + 2 * pair, sizeof(both));
            const __m512bh factor = reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
            block[r][0] = _mm512_dpbf16_ps(block[r][0], factor, left);
            block[r][1] = _mm512_dpbf16_ps(block[r][1], factor, right);
          }
        }
      }
#pragma GCC unroll 8
      for (int64_t r = 0; r < kRows; ++r) {
        store(sums + (row + r) * kSide, static_cast<Vec<float>>(block[r][0]));
        store(sums + (row + r) * kSide + 16, static_cast<Vec<float>>(block[r][1]));
      }
    }
  }
  SIMCLR_BENCH_INLINE void finish(float*) {}
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
