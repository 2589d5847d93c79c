// What the extension was built from and with: plain data, so that the one file whose content
// changes with every edit of a source (build_info.cpp) compiles in no time.

#pragma once

namespace simclr_bench {

struct BuildInfo {
  const char* compiler;       // name and version
  const char* flags;          // of the C++ compiler, as setup.py set them
  const char* cuda;           // the toolkit's release, or nullptr when built without CUDA
  const char* cuda_flags;     // of nvcc; empty without CUDA
  const char* architectures;  // TORCH_CUDA_ARCH_LIST, entries separated by ';'; empty without CUDA
  const char* source_hash;    // of every file under csrc/
  const char* torch;          // the version compiled against
};

BuildInfo build_info();

}  // namespace simclr_bench
