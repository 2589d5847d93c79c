// Packed rows of the contrastive engine as bfloat16, which CPUs multiply fastest: numbers of more
// digits are cut into parts that add up to them.
//
// Rows in bfloat16 (kRowParts = 1) are kept as they are given: only their lengths are adjusted, by
// powers of two, so that no product overflows. Similarities are products of rows, exact but for
// their sums in float, times what normalises the two:
//
//   r_i   = z_i·2^-e_i, inverse_i = 2^e_i / max(|z_i|, ε), so that u_i = r_i·inverse_i
//   s_ij  = (r_i·r_j)·inverse_i·inverse_j
//   W_ij  = G_ij·inverse_i·inverse_j, for rows and columns alike
//   Σ_j G_ij·u_j = Σ_j W_ij·r_j / inverse_i
//
// Rows in float (kRowParts = 3) are normalised, so that no part of an element that matters is too
// small for a bfloat16, rounded to float, and cut without a remainder: r_i = u_i, W_ij = G_ij.

#pragma once

#include <type_traits>

#include "bfloat16.h"
#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

template <int64_t kRowParts>
class PackedBFloat16 {
 public:
  static constexpr bool kUnits = kRowParts > 1;
  using Input = std::conditional_t<kUnits, float, Bits>;
  static constexpr int64_t kStep = kLanes<double>;

  static int64_t bytes(const ContrastOperands<float>& o) {
    const int64_t elements = o.padded_rows * o.padded_dim;
    return o.padded_rows * (sizeof(double) + sizeof(float)) +
           4 * elements * kRowParts * sizeof(Bits);
  }

  static SIMCLR_BENCH_INLINE Vec<double> read(const float* z) { return Wide<float>::read(z); }
  static SIMCLR_BENCH_INLINE Vec<double> read(const Bits* z) { return wide(eight_at(z)); }
  static SIMCLR_BENCH_INLINE double read_one(float z) { return z; }
  static SIMCLR_BENCH_INLINE double read_one(Bits z) { return to_float(z); }
  static SIMCLR_BENCH_INLINE void write(float* out, Vec<double> v, int64_t count) {
    const __m256 numbers = _mm512_cvtpd_ps(v);
    __builtin_memcpy(out, &numbers, count * sizeof(float));
  }
  static SIMCLR_BENCH_INLINE void write(Bits* out, Vec<double> v, int64_t count) {
    const auto bits = _mm256_cvtneps_pbh(_mm512_cvtpd_ps(v));
    __builtin_memcpy(out, &bits, count * sizeof(Bits));
  }

  explicit PackedBFloat16(const ContrastOperands<float>& o)
      : o_(o),
        panel_(o.padded_dim * kRowParts * kSide),
        inverse_(static_cast<double*>(o.packed)),
        factor_(reinterpret_cast<float*>(inverse_ + o.padded_rows)),
        rows_(reinterpret_cast<Bits*>(factor_ + o.padded_rows)),
        columns_(rows_ + o.padded_rows / kSide * panel_),
        pairs_(columns_ + o.padded_rows / kSide * panel_),
        transposed_(pairs_ + o.padded_rows / kSide * panel_) {}

  void pack_row(const Input* z, double inverse, int64_t row) const {
    const double power = kUnits ? inverse : power_of_two_below(inverse);
    inverse_[row] = z ? inverse / power : 0;
    factor_[row] = static_cast<float>(inverse_[row]);
    for (int64_t d = 0; d < o_.padded_dim; d += kSide) {
      alignas(64) float numbers[kSide];
      for (int64_t i = 0; i < kSide; i += kStep) {
        Input some[kStep] = {};
        if (z && d + i < o_.dim) {
          __builtin_memcpy(some, z + d + i, smaller(kStep, o_.dim - d - i) * sizeof(Input));
        }
        Wide<float>::write(numbers + i, read(some) * power);
      }
      Vec<float> first = load(numbers);
      Vec<float> second = load(numbers + 16);
      Bits* to = at(rows_, row, d) + row % kSide * kSide;
      for (int64_t part = 0; part < kRowParts; ++part) {
        put(to + part * kStepElements, take_part(first, second));
      }
    }
  }

  // The other three copies of 32 packed rows.
  void finish_panel(int64_t first) const {
    for (int64_t step = 0; step < panel_; step += kStepElements) {
      const int64_t start = first / kSide * panel_ + step;
      const Bits* rows = rows_ + start;
      Words square[16];
      for (int64_t half = 0; half < 2; ++half) {
        for (int64_t r = 0; r < 16; ++r)
          square[r] = vector_at<Words>(rows + (16 * half + r) * kSide);
        transpose(square);
        for (int64_t k = 0; k < 16; ++k)
          put(columns_ + start + k * 2 * kSide + half * kSide, square[k]);
      }
      for (int half = 0; half < 2; ++half) {
        for (int64_t r = 0; r < 16; ++r) {
          const Bits* two = rows + 2 * r * kSide;
          const Halves even = vector_at<Halves>(two);
          const Halves odd = vector_at<Halves>(two + kSide);
          square[r] = half ? paired<1>(even, odd) : paired<0>(even, odd);
          put(pairs_ + start + r * 2 * kSide + half * kSide, square[r]);
        }
        transpose(square);
        for (int64_t k = 0; k < 16; ++k)
          put(transposed_ + start + (16 * half + k) * kSide, square[k]);
      }
    }
  }

  SIMCLR_BENCH_INLINE Vec<double> unit(int64_t row, int64_t d) const {
    const Bits* from = at(rows_, row, d) + row % kSide * kSide + d % kSide;
    __m256 sum = eight_at(from + (kRowParts - 1) * kStepElements);
    for (int64_t part = kRowParts - 2; part >= 0; --part) {
      sum += eight_at(from + part * kStepElements);
    }
    return kUnits ? wide(sum) : wide(sum) * inverse_[row];
  }

 protected:
  // The step of a copy of the rows where element d of a row is.
  SIMCLR_BENCH_INLINE Bits* at(Bits* copy, int64_t row, int64_t d) const {
    return copy + row / kSide * panel_ + d / kSide * kRowParts * kStepElements;
  }

  const ContrastOperands<float>& o_;
  const int64_t panel_;  // elements of 32 packed rows
  double* inverse_;      // [padded_rows]
  float* factor_;        // [padded_rows], the same
  // [padded_rows / 32][padded_dim / 32][kRowParts], and each of those
  Bits* rows_;        // [32 rows][32 of D]: a for similarities
  Bits* columns_;     // [16 of D][32 rows][2 of D]: b for similarities
  Bits* pairs_;       // [16 rows][32 of D][2 rows]: b for gradients of rows
  Bits* transposed_;  // [32 of D][32 rows]: a for those of columns

 private:
  static SIMCLR_BENCH_INLINE __m256 eight_at(const Bits* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static SIMCLR_BENCH_INLINE Vec<double> wide(__m256 v) { return _mm512_cvtps_pd(v); }

  // 1 if there is none.
  static double power_of_two_below(double x) {
    uint64_t bits;
    __builtin_memcpy(&bits, &x, sizeof(bits));
    bits &= uint64_t{0x7ff} << 52;
    if (bits == 0 || bits == uint64_t{0x7ff} << 52) return 1;
    __builtin_memcpy(&x, &bits, sizeof(bits));
    return x;
  }
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
