// The values that setup.py determined, from a header it generates in the build folder and rewrites
// only when its content changes.

#include "build_info.h"

#include "build_info_values.h"

namespace simclr_bench {

BuildInfo build_info() {
#if defined(__clang__)
  constexpr const char* kCompiler = "clang " __clang_version__;
#else
  constexpr const char* kCompiler = "gcc " __VERSION__;
#endif
  return {kCompiler,
          SIMCLR_BENCH_FLAGS,
          SIMCLR_BENCH_CUDA_VERSION,
          SIMCLR_BENCH_CUDA_FLAGS,
          SIMCLR_BENCH_ARCHITECTURES,
          SIMCLR_BENCH_SOURCE_HASH,
          SIMCLR_BENCH_TORCH};
}

}  // namespace simclr_bench
