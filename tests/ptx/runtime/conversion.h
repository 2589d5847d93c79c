// Conversions between the types of PTX, half precision in both formats among them.

#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "arithmetic.h"
#include "values.h"

namespace ptx {

// To the nearest, ties to even; NaN becomes the one that a device writes.
inline Bfloat16 bfloat16_of(float a) {
  if (a != a) return {0x7fff};
  const uint32_t bits = bits_as<uint32_t>(a);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

inline Half half_of(float a) {
  if (a != a) return {0x7fff};
  const uint16_t sign = static_cast<uint16_t>(bits_as<uint32_t>(a) >> 16 & 0x8000);
  const float size = std::fabs(a);
  if (size >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00)};
  if (size < 0x1p-14f) {
    // Subnormal: counted in steps of 2^-24. 1024 steps are the smallest normal number, bits and
    // all.
    return {static_cast<uint16_t>(sign | static_cast<uint16_t>(std::rint(size * 0x1p24f)))};
  }
  const uint32_t bits = bits_as<uint32_t>(size) - (112u << 23);  // 127 - 15: the exponents' biases
  return {static_cast<uint16_t>(sign | ((bits + 0xfff + (bits >> 13 & 1)) >> 13))};
}

inline float float_of(Bfloat16 a) { return bits_as<float>(static_cast<uint32_t>(a.bits) << 16); }

inline float float_of(Half a) {
  const uint32_t exponent = a.bits >> 10 & 0x1f;
  const uint32_t fraction = a.bits & 0x3ff;
  float size = static_cast<float>(fraction) * 0x1p-24f;
  if (exponent == 0x1f) {
    size = bits_as<float>(0x7f800000 | fraction << 13);
  } else if (exponent > 0) {
    size = bits_as<float>((exponent + 112) << 23 | fraction << 13);
  }
  return std::copysign(size, a.bits & 0x8000 ? -1.0f : 1.0f);
}

// Floating point to an integer, rounded already: out of range to the nearest there is. NaN gives 0
// from 32 bits or fewer to as many, else the highest bit alone.
template <typename integer_t, typename float_t>
inline integer_t integer_of(float_t a) {
  using limits = std::numeric_limits<integer_t>;
  if (a != a) {
    const bool narrow = sizeof(float_t) < 8 && sizeof(integer_t) < 8;
    return narrow ? 0 : static_cast<integer_t>(uint64_t{1} << (8 * sizeof(integer_t) - 1));
  }
  // 2^bits is a floating-point number; the largest integer may not be.
  const float_t end = std::ldexp(float_t(1), limits::digits);
  if (a >= end) return limits::max();
  if (a < static_cast<float_t>(limits::min())) return limits::min();
  return static_cast<integer_t>(a);
}

// .sat between integers: into the range of the result.
template <typename to_t, typename from_t>
inline to_t clamped(from_t a) {
  using limits = std::numeric_limits<to_t>;
  const __int128 wide = a;
  if (wide > static_cast<__int128>(limits::max())) return limits::max();
  if (wide < static_cast<__int128>(limits::min())) return limits::min();
  return static_cast<to_t>(a);
}

}  // namespace ptx
