// Registers and the bits in them: how an operand is read as a type and a result written back.
//
// A register is an unsigned integer of its declared width, or bool for a predicate, as in PTX: what
// the bits mean is up to each instruction.

#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

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

// The low bits of a register as a value: registers may be wider than the type of an operand.
template <typename value_t, typename register_t>
inline value_t get(register_t reg) {
  if constexpr (std::is_same_v<value_t, bool> || std::is_same_v<register_t, bool>) {
    static_assert(std::is_same_v<value_t, register_t>, "a predicate is only ever a predicate");
    return reg;
  } else {
    static_assert(sizeof(register_t) >= sizeof(value_t));
    return bits_as<value_t>(static_cast<unsigned_of<value_t>>(reg));
  }
}

// Writes a value; one that is narrower than the register is extended as its type says.
template <typename register_t, typename value_t>
inline void set(register_t& reg, value_t value) {
  if constexpr (std::is_same_v<value_t, bool> || std::is_same_v<register_t, bool>) {
    static_assert(std::is_same_v<value_t, register_t>, "a predicate is only ever a predicate");
    reg = value;
  } else {
    static_assert(sizeof(register_t) >= sizeof(value_t));
    if constexpr (std::is_integral_v<value_t>) {
      reg = static_cast<register_t>(value);
    } else {
      reg = bits_as<unsigned_of<value_t>>(value);
    }
  }
}

}  // namespace ptx
