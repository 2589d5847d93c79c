#include "capability.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace simclr_bench {

namespace {

const char* const kNames[] = {"baseline", "avx2", "avx512"};

int best_capability() {
#if defined(__x86_64__)
  // These ask the operating system too: registers that it does not save are not reported.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return static_cast<int>(Capability::kAvx512);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return static_cast<int>(Capability::kAvx2);
  }
#endif
  return static_cast<int>(Capability::kBaseline);
}

std::atomic<int>& current() {
  static std::atomic<int> capability{best_capability()};
  return capability;
}

}  // namespace

Capability cpu_capability() { return static_cast<Capability>(current().load()); }

std::vector<std::string> supported_cpu_capabilities() {
  return {kNames, kNames + best_capability() + 1};
}

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

}  // namespace simclr_bench
