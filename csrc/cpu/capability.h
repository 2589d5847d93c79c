// Which instructions the CPU kernels use: one build carries code for several and picks at run time.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace simclr_bench {

// Each includes those before it.
enum class Capability { kBaseline, kAvx2, kAvx512, kAvx512Bf16, kAmx };

// What the kernels use now; at first the best that this machine has.
Capability cpu_capability();

// What this machine can run, from the plainest: "baseline", "avx2", "avx512",
// "avx512_bf16", "amx" (its bfloat16 products).
std::vector<std::string> supported_cpu_capabilities();

std::string cpu_capability_name();

// Makes the kernels use `name` from now on; throws std::invalid_argument if this machine cannot.
void set_cpu_capability(const std::string& name);

// With "amx", from how many rows on the contrastive losses cut float32 into parts in bfloat16. To
// cut fewer takes longer than their products save; tests do it all the same.
int64_t rows_to_cut();
void set_rows_to_cut(int64_t rows);

}  // namespace simclr_bench
