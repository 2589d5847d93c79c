// Arithmetic, comparison and bits, as the PTX manual defines them.
//
// Approximate instructions (ex2.approx, ...) give the rounded exact result here. A NaN that is
// computed keeps the bits that the host gives it; a device writes 0x7fffffff.

#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "values.h"

namespace ptx {

// --- integers: wrap around, in unsigned arithmetic, where signed overflow is defined

template <typename value_t>
inline value_t add(value_t a, value_t b) {
  if constexpr (std::is_integral_v<value_t>) {
    return static_cast<value_t>(static_cast<unsigned_of<value_t>>(a) +
                                static_cast<unsigned_of<value_t>>(b));
  } else {
    return a + b;
  }
}

template <typename value_t>
inline value_t multiply_high(value_t a, value_t b) {
  using wide_t = std::conditional_t<std::is_signed_v<value_t>, __int128, unsigned __int128>;
  return static_cast<value_t>((static_cast<wide_t>(a) * static_cast<wide_t>(b)) >>
                              (8 * sizeof(value_t)));
}

// 0 - a, for integers
template <typename value_t>
inline value_t opposite(value_t a) {
  return static_cast<value_t>(unsigned_of<value_t>(0) - static_cast<unsigned_of<value_t>>(a));
}

// By zero: all bits set, and the dividend as the remainder. The manual leaves that open.
template <typename value_t>
inline value_t divide(value_t a, value_t b) {
  if (b == 0) return static_cast<value_t>(-1);
  if (std::is_signed_v<value_t> && b == static_cast<value_t>(-1)) return opposite(a);
  return static_cast<value_t>(a / b);
}

template <typename value_t>
inline value_t remainder(value_t a, value_t b) {
  if (b == 0) return a;
  if (std::is_signed_v<value_t> && b == static_cast<value_t>(-1)) return 0;
  return static_cast<value_t>(a % b);
}

template <typename value_t>
inline value_t absolute(value_t a) {
  if constexpr (std::is_integral_v<value_t>) {
    return a < 0 ? opposite(a) : a;
  } else {
    return std::fabs(a);
  }
}

template <typename value_t>
inline value_t negate(value_t a) {
  if constexpr (std::is_integral_v<value_t>) {
    return opposite(a);
  } else {
    return -a;
  }
}

// A NaN loses against a number; -0 is below +0.
template <typename value_t>
inline value_t minimum(value_t a, value_t b) {
  if constexpr (std::is_floating_point_v<value_t>) {
    if (a != a) return b;
    if (b != b) return a;
    if (a == b) return std::signbit(a) ? a : b;
  }
  return a < b ? a : b;
}

template <typename value_t>
inline value_t maximum(value_t a, value_t b) {
  if constexpr (std::is_floating_point_v<value_t>) {
    if (a != a) return b;
    if (b != b) return a;
    if (a == b) return std::signbit(a) ? b : a;
  }
  return a > b ? a : b;
}

// --- floating point

// .ftz: subnormal numbers become zeros of their sign.
inline float flush(float a) { return std::fabs(a) < 0x1p-126f ? std::copysign(0.0f, a) : a; }
inline double flush(double a) { return std::fabs(a) < 0x1p-1022 ? std::copysign(0.0, a) : a; }

// .sat: into [0, 1], and NaN to 0.
template <typename value_t>
inline value_t saturate(value_t a) {
  return a > 0 ? (a < 1 ? a : value_t(1)) : value_t(0);
}

enum class Direction { kZero, kDown, kUp };

// The float on the wanted side of the exact value sum + rest, where |rest| is below one rounding of
// sum, and `nearest` is the float next to it. `cancels`: an exact zero of terms of unlike signs.
inline float rounded(float nearest, double sum, double rest, Direction to, bool cancels) {
  if (nearest != nearest) return nearest;
  if (nearest == 0 && sum == 0 && rest == 0) {
    return cancels ? (to == Direction::kDown ? -0.0f : 0.0f) : nearest;
  }
  if (to == Direction::kZero) to = sum > 0 ? Direction::kDown : Direction::kUp;
  const double value = nearest;
  const bool above = value > sum || (value == sum && rest < 0);
  const bool below = value < sum || (value == sum && rest > 0);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (to == Direction::kDown) return above ? std::nextafter(nearest, -kInfinity) : nearest;
  return below ? std::nextafter(nearest, kInfinity) : nearest;
}

// a·b + c. The product is exact in double; the sum is a double and what its rounding has cut off.
inline float fma_towards(Direction to, float a, float b, float c) {
  const double product = static_cast<double>(a) * b;
  const double sum = product + c;
  const double part = sum - product;
  const double rest = (product - (sum - part)) + (c - part);
  const bool cancels = std::signbit(product) != std::signbit(static_cast<double>(c));
  return rounded(std::fma(a, b, c), sum, std::isfinite(rest) ? rest : 0.0, to, cancels);
}

inline float add_towards(Direction to, float a, float b) { return fma_towards(to, a, 1.0f, b); }
inline float multiply_towards(Direction to, float a, float b) {
  return rounded(a * b, static_cast<double>(a) * b, 0.0, to, false);
}
inline float float_towards(Direction to, double a) {
  return rounded(static_cast<float>(a), a, 0.0, to, false);
}

// rcp.approx.ftz.f64 looks at and writes the upper halves only.
inline double reciprocal_of_upper_half(double a) {
  constexpr uint64_t kUpper = 0xffffffff00000000;
  const double reciprocal = 1 / flush(bits_as<double>(bits_as<uint64_t>(a) & kUpper));
  return flush(bits_as<double>(bits_as<uint64_t>(reciprocal) & kUpper));
}

template <typename value_t>
inline value_t copy_sign(value_t sign, value_t a) {
  return std::copysign(a, sign);
}

// --- bits

// Shifts by more than the width leave nothing, or the sign.
template <typename value_t>
inline value_t shift_left(value_t a, uint32_t by) {
  if (by >= 8 * sizeof(value_t)) return 0;
  return static_cast<value_t>(static_cast<unsigned_of<value_t>>(a) << by);
}

template <typename value_t>
inline value_t shift_right(value_t a, uint32_t by) {
  constexpr uint32_t kBits = 8 * sizeof(value_t);
  if (by >= kBits) return std::is_signed_v<value_t> && a < 0 ? static_cast<value_t>(-1) : 0;
  return static_cast<value_t>(a >> by);
}

// The upper (left) or lower (right) 32 bits of b:a after a shift by 0 to 32.
inline uint32_t funnel_left(uint32_t a, uint32_t b, uint32_t by) {
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  return static_cast<uint32_t>(both << by >> 32);
}
inline uint32_t funnel_right(uint32_t a, uint32_t b, uint32_t by) {
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  return static_cast<uint32_t>(both >> by);
}

template <typename value_t>
inline uint32_t ones(value_t a) {
  return static_cast<uint32_t>(__builtin_popcountll(a));
}

template <typename value_t>
inline uint32_t leading_zeros(value_t a) {
  return a == 0 ? 8 * sizeof(value_t)
                : static_cast<uint32_t>(__builtin_clzll(a)) - (64 - 8 * sizeof(value_t));
}

template <typename value_t>
inline value_t reverse_bits(value_t a) {
  value_t result = 0;
  for (size_t i = 0; i < 8 * sizeof(value_t); ++i) result = result << 1 | (a >> i & 1);
  return result;
}

// `length` bits of a from `position`, extended by the highest of them that a has if signed.
template <typename value_t>
inline value_t extract_bits(value_t a, uint32_t position, uint32_t length) {
  constexpr uint32_t kBits = 8 * sizeof(value_t);
  position &= 0xff;
  length &= 0xff;
  if (length == 0) return 0;
  const uint32_t last = position + length > kBits ? kBits - 1 : position + length - 1;
  const bool sign = std::is_signed_v<value_t> && (a >> last & 1);
  value_t result = 0;
  for (uint32_t i = 0; i < kBits; ++i) {
    const bool inside = i < length && position + i < kBits;
    const bool bit = inside ? a >> (position + i) & 1 : sign;
    result |= static_cast<value_t>(static_cast<unsigned_of<value_t>>(bit) << i);
  }
  return result;
}

// b with `length` bits from `position` on replaced by the lowest ones of a.
template <typename value_t>
inline value_t insert_bits(value_t a, value_t b, uint32_t position, uint32_t length) {
  constexpr uint32_t kBits = 8 * sizeof(value_t);
  position &= 0xff;
  length &= 0xff;
  for (uint32_t i = 0; i < length && position + i < kBits; ++i) {
    const value_t bit = value_t(1) << (position + i);
    b = (a >> i & 1) ? b | bit : b & ~bit;
  }
  return b;
}

// prmt: four bytes chosen from b:a; bit 3 of a selector repeats the sign of its byte.
inline uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t selectors) {
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t selector = selectors >> (4 * i) & 0xf;
    uint32_t byte = both >> (8 * (selector & 7)) & 0xff;
    if (selector & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}

// lop3: any function of three bits, given as its column of results.
inline uint32_t lookup3(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t result = 0;
  for (int i = 0; i < 8; ++i) {
    if (!(table >> i & 1)) continue;
    result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  }
  return result;
}

}  // namespace ptx
