// Rows as the tensor cores take them: times a power of two that keeps products of any two within
// float32, split into 16-bit numbers. What is missing to length 1 is a factor for their products;
// only where three numbers hold more digits than a float has is it in them, since that factor would
// be rounded.

#pragma once

#include "nt_xent.cuh"

namespace simclr_bench {

// u_i = z_i·power·(inverse + rest)·scale.
struct Length {
  float power;  // of two
  float inverse, rest;
  float scale;
  float norm;  // 1 without normalising

  // What is missing to u_i from z_i·power.
  __device__ double factor() const { return (double{inverse} + double{rest}) * double{scale}; }
};

// 2^-e for the largest element's exponent e. Neither it nor its inverse is subnormal.
__device__ inline float power_of_two(float largest) {
  const int exponent = 254 - (__float_as_int(largest) >> 23);
  return __int_as_float(min(max(exponent, 1), 253) << 23);
}

__device__ inline float inverse_of(float power) {
  return __int_as_float((254 << 23) - __float_as_int(power));
}

// squares: of z_i·power; a double for unit rows.
template <typename Numbers, typename real_t>
__device__ Length length_of(real_t squares, float power, bool normalize) {
  if (!normalize) return {power, 1, 0, inverse_of(power), 1};
  real_t inverse = rsqrtf(static_cast<float>(squares));
  inverse *= real_t(1.5) - real_t(0.5) * squares * inverse * inverse;  // twice as many digits
  const real_t norm = squares > 0 ? squares * inverse * inverse_of(power) : squares;
  if (norm < kEpsilon) inverse = inverse_of(power) * (1 / kEpsilon);
  const auto rounded = static_cast<float>(inverse);
  if (Numbers::holds_unit_rows)
    return {power, rounded, static_cast<float>(inverse - rounded), 1, static_cast<float>(norm)};
  // Rounded here, so that a positive's similarity is what its row's others are multiplied with.
  return {power, 1, 0, rounded, static_cast<float>(norm)};
}

// The parts of two elements side by side, each times its row's power.
template <typename Numbers>
__device__ void take_parts(const Length& length, float low, float high,
                           uint32_t (&parts)[Numbers::matrices]) {
  if constexpr (Numbers::half) {
    const __half2 both = __floats2half2_rn(low, high);
    parts[0] = *reinterpret_cast<const uint32_t*>(&both);
  }
  float low_rest = 0;  // of a product, which two floats hold
  float high_rest = 0;
  if constexpr (Numbers::holds_unit_rows) {
    const float x = __fmul_rn(low, length.inverse);
    const float y = __fmul_rn(high, length.inverse);
    low_rest = fmaf(low, length.inverse, -x) + low * length.rest;
    high_rest = fmaf(high, length.inverse, -y) + high * length.rest;
    low = x;
    high = y;
  }
#pragma unroll
  for (int m = Numbers::first_gradient_matrix; m < Numbers::matrices; ++m) {
    if (Numbers::holds_unit_rows && m == Numbers::matrices - 1) {
      low += low_rest;
      high += high_rest;
    }
    parts[m] = take_bfloat16(low, high);
  }
}

}  // namespace simclr_bench
