// Vectors as wide as the registers of the instruction set that the including file is compiled for
// (csrc/cpu/isa). Arithmetic is the compiler's own vector extension, so that one source serves all.
//
// SIMCLR_BENCH_AVX512 says that its intrinsics may be used. The compiler's own __AVX512F__ does
// not: where a pragma names the instruction set, GCC defines it after C++ has been read.
//
// Code in files that include this must stay in the namespace below and must not use inline
// functions of the standard library: the linker keeps one copy of those, and it could be one with
// instructions that the machine does not have.

#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SIMCLR_BENCH_INLINE inline __attribute__((always_inline))
#define SIMCLR_BENCH_LAMBDA __attribute__((always_inline))

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

constexpr int64_t kVectorBytes = SIMCLR_BENCH_VECTOR_BYTES;

template <typename T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(kVectorBytes)));
  typedef int32_t mask __attribute__((vector_size(kVectorBytes)));
};
template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(kVectorBytes)));
  typedef int64_t mask __attribute__((vector_size(kVectorBytes)));
};

template <typename T>
using Vec = typename VectorOf<T>::type;

// All bits of a lane set or none, as comparisons of vectors return it.
template <typename T>
using Mask = typename VectorOf<T>::mask;

template <typename T>
constexpr int64_t kLanes = kVectorBytes / static_cast<int64_t>(sizeof(T));

template <typename T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());

SIMCLR_BENCH_INLINE constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <typename T>
SIMCLR_BENCH_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}

template <typename T>
SIMCLR_BENCH_INLINE void store(T* p, Vec<T> v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

// Past the caches, where there is an instruction for it; p on a vector's boundary.
template <typename T>
SIMCLR_BENCH_INLINE void stream(T* p, Vec<T> v) {
#if defined(SIMCLR_BENCH_AVX512)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(p), reinterpret_cast<__m512i>(v));
#else
  store(p, v);
#endif
}

// What was streamed comes before all that this thread stores from now on, also for other threads.
SIMCLR_BENCH_INLINE void finish_stream() {
#if defined(SIMCLR_BENCH_AVX512)
  _mm_sfence();
#endif
}

template <typename T>
SIMCLR_BENCH_INLINE Vec<T> broadcast(T value) {
  return Vec<T>{} + value;
}

// 0, 1, 2, ...
template <typename T>
SIMCLR_BENCH_INLINE Vec<T> lane_numbers() {
  Vec<T> v;
  for (int64_t lane = 0; lane < kLanes<T>; ++lane) v[lane] = static_cast<T>(lane);
  return v;
}

// Where the mask is not set, the lane becomes 0.
template <typename T>
SIMCLR_BENCH_INLINE Vec<T> keep(Mask<T> mask, Vec<T> v) {
  return reinterpret_cast<Vec<T>>(reinterpret_cast<Mask<T>>(v) & mask);
}

// The same, but kept from being contracted with what follows, which rounds once less in some places
// that it is inlined into than in others.
template <typename V>
SIMCLR_BENCH_INLINE V rounded(V v) {
#if defined(SIMCLR_BENCH_AVX512)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

template <typename T>
SIMCLR_BENCH_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) {
  return a > b ? a : b;
}

// Combines the upper half of the lanes with the lower one until one is left: one order for any use.
template <typename T, int64_t lanes = kLanes<T>, typename V, typename Combine>
SIMCLR_BENCH_INLINE T reduce_lanes(V v, Combine combine) {
  typedef T Half __attribute__((vector_size(lanes / 2 * sizeof(T))));
  Half low, high;
  __builtin_memcpy(&low, &v, sizeof(low));
  __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof(low), sizeof(high));
  low = combine(low, high);
  if constexpr (lanes == 2) {
    return low[0];
  } else {
    return reduce_lanes<T, lanes / 2>(low, combine);
  }
}

template <typename T>
SIMCLR_BENCH_INLINE T sum_of_lanes(Vec<T> v) {
  return reduce_lanes<T>(v, [](auto a, auto b) SIMCLR_BENCH_LAMBDA { return a + b; });
}

template <typename T>
SIMCLR_BENCH_INLINE T largest_lane(Vec<T> v) {
  return reduce_lanes<T>(v, [](auto a, auto b) SIMCLR_BENCH_LAMBDA { return b > a ? b : a; });
}

#if defined(SIMCLR_BENCH_AVX512)
typedef uint32_t Words __attribute__((vector_size(64)));

// Two rows of a square of 2·size columns: exchanges the right of `a` with the left of `b`.
template <int size, typename V>
SIMCLR_BENCH_INLINE void exchange(V& a, V& b) {
  Words low{}, high{};
#pragma GCC unroll 16
  for (int lane = 0; lane < 16; ++lane) {
    low[lane] = lane & size ? 16 + lane - size : lane;
    high[lane] = lane & size ? 16 + lane : lane + size;
  }
  const __m512i first = reinterpret_cast<__m512i>(a);
  const __m512i second = reinterpret_cast<__m512i>(b);
  a = reinterpret_cast<V>(_mm512_permutex2var_epi32(first, reinterpret_cast<__m512i>(low), second));
  b = reinterpret_cast<V>(
      _mm512_permutex2var_epi32(first, reinterpret_cast<__m512i>(high), second));
}

// A square of 16 vectors of 16, by exchanging ever smaller blocks beside the diagonal.
template <int size = 8, typename V>
SIMCLR_BENCH_INLINE void transpose(V (&v)[16]) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    if (!(i & size)) exchange<size>(v[i], v[i + size]);
  }
  if constexpr (size > 1) transpose<size / 2>(v);
}
#endif

// 2^x for x <= 127, to 1.5 units in the last place; exactly 0 where the result is below the normal
// numbers (also for -inf), NaN for NaN.
//
// x = n + f with n whole and |f| <= 1/2; 2^f is a polynomial fitted for the smallest largest
// relative error (2e-9 before rounding) with the constant term held at 1, so that 2^0 is 1.
SIMCLR_BENCH_INLINE Vec<float> exp2_of(Vec<float> x) {
#if defined(SIMCLR_BENCH_AVX512)
  const Vec<float> n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const Vec<float> clamped = x < -126.0f ? broadcast(-126.0f) : x;  // NaN passes
  const Vec<float> shifted = clamped + 12582912.0f;  // 1.5·2^23: the low bits are the integer
  const Vec<float> n = shifted - 12582912.0f;
#endif
  const Vec<float> f = x - n;
  Vec<float> p = broadcast(1.5353361959569156e-4f);
  p = p * f + 1.3398875016719103e-3f;
  p = p * f + 9.618436917662621e-3f;
  p = p * f + 5.5503323674201965e-2f;
  p = p * f + 2.4022647738456726e-1f;
  p = p * f + 6.931471824645996e-1f;
  p = p * f + 1.0f;
#if defined(SIMCLR_BENCH_AVX512)
  const __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0f), _CMP_NLT_UQ);
  return _mm512_maskz_scalef_ps(normal, p, n);
#else
  const Mask<float> bits = reinterpret_cast<Mask<float>>(shifted);
  const Vec<float> power = reinterpret_cast<Vec<float>>((bits << 23) + 0x3f800000);
  return x < -126.0f ? Vec<float>{} : p * power;
#endif
}

// For float64 the library's own function: there, being right is the point and speed is not.
SIMCLR_BENCH_INLINE Vec<double> exp2_of(Vec<double> x) {
  Vec<double> result;
  for (int64_t lane = 0; lane < kLanes<double>; ++lane) result[lane] = __builtin_exp2(x[lane]);
  return result;
}

// log u for a normal u > 0, given x = u - 1 too: near u = 1 only x still has the digits. A finite
// number for 0, NaN for NaN.
//
// u = 2^n·f with √½ <= f < √2; log f = 2·artanh(z), z = (f - 1) / (f + 1), to z^9.
SIMCLR_BENCH_INLINE Vec<float> log_of(Vec<float> u, Vec<float> x) {
  const Mask<float> above = reinterpret_cast<Mask<float>>(u) - 0x3f3504f3;  // the bits of √½
  const Mask<float> n = above >> 23;
  const Mask<float> bits = (above & 0x7fffff) + 0x3f3504f3;
  const Vec<float> g = n == 0 ? x : reinterpret_cast<Vec<float>>(bits) - 1.0f;
  const Vec<float> z = g / (g + 2.0f);
  const Vec<float> s = z * z;
  Vec<float> p = broadcast(2.0f / 9);
  p = p * s + 2.0f / 7;
  p = p * s + 2.0f / 5;
  p = p * s + 2.0f / 3;
  p = p * s * z + 2.0f * z;
  const Vec<float> result = __builtin_convertvector(n, Vec<float>) * 0.69314718f + p;
  return u == u ? result : u;
}

SIMCLR_BENCH_INLINE Vec<double> log_of(Vec<double> u, Vec<double> x) {
  Vec<double> result{};
  for (int64_t lane = 0; lane < kLanes<double>; ++lane) {
    const bool near = x[lane] > -0.5 && x[lane] < 0.5;
    result[lane] = near ? __builtin_log1p(x[lane]) : __builtin_log(u[lane]);
  }
  return result;
}

// Results below the normal numbers become 0 while it lives: they take a hundred times as long and
// are never more than 1e-38 of a probability.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  FlushDenormals() {}
#endif
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA
