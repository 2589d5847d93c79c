// Values and the bits in them.
//
// A register is an unsigned integer of its declared width, or bool for a predicate, as in PTX: what
// the bits mean is up to each instruction. The translator (operation.py) writes out how an operand
// is read as a type and a result written back.

#pragma once

#include <cstdint>
#include <cstring>

namespace ptx {

struct Half {
  uint16_t bits;
};

struct Bfloat16 {
  uint16_t bits;
};

template <typename to_t, typename from_t>
inline to_t bits_as(from_t from) {
  static_assert(sizeof(to_t) == sizeof(from_t));
  to_t to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

template <size_t bytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<2> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<4> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<8> {
  using type = uint64_t;
};
template <typename value_t>
using unsigned_of = typename UnsignedOf<sizeof(value_t)>::type;

}  // namespace ptx
