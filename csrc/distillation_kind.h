// The soft terms of distillation, by number. Plain C++: host compilers of every instruction set and
// nvcc include it.

#pragma once

#include <cstdint>

namespace simclr_bench {

enum class DistillationKind : int32_t { kCe, kKl, kReverseKl, kJsd };

}  // namespace simclr_bench
