#include "capability.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace simclr_bench {

namespace {

const char* const kNames[] = {"baseline", "avx2", "avx512", "avx512_bf16", "amx"};

#if defined(__x86_64__)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_amx_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kBf16 = 1u << 22;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kTile) && (d & kBf16);
}

// Linux lends a process the tile registers on request only.
bool may_use_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

Capability best_capability() {
#if defined(__x86_64__)
  // These ask the operating system too: registers that it does not save are not reported.
  if (has_avx512()) {
    if (!__builtin_cpu_supports("avx512bf16")) return Capability::kAvx512;
    if (!has_amx_bf16()) return Capability::kAvx512Bf16;
    // Where there are tiles, the vectors' bfloat16 products are slower than those of floats.
    return may_use_tiles() ? Capability::kAmx : Capability::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Capability::kAvx2;
#endif
  return Capability::kBaseline;
}

int best() {
  static const int capability = static_cast<int>(best_capability());
  return capability;
}

std::atomic<int>& current() {
  static std::atomic<int> capability{best()};
  return capability;
}

std::atomic<int64_t> enough_rows_to_cut{2048};

}  // namespace

Capability cpu_capability() { return static_cast<Capability>(current().load()); }

std::vector<std::string> supported_cpu_capabilities() { return {kNames, kNames + best() + 1}; }

std::string cpu_capability_name() { return kNames[current().load()]; }

void set_cpu_capability(const std::string& name) {
  const std::vector<std::string> supported = supported_cpu_capabilities();
  const auto found = std::find(supported.begin(), supported.end(), name);
  if (found == supported.end()) {
    std::string message = "cpu capability must be one of";
    for (const std::string& one : supported) message += " '" + one + "'";
    throw std::invalid_argument(message + " on this machine, got '" + name + "'");
  }
  current().store(static_cast<int>(found - supported.begin()));
}

int64_t rows_to_cut() { return enough_rows_to_cut.load(); }

void set_rows_to_cut(int64_t rows) { enough_rows_to_cut.store(rows); }

}  // namespace simclr_bench
