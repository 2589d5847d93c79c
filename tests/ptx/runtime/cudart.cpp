// The part of the CUDA runtime that nvcc's host code and our launchers call. It is linked into each
// emulated library with hidden names, so that a real libcudart in the process is left alone.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "driver.h"
#include "scheduler.h"

namespace ptx {
namespace {

constexpr size_t kSharedBytes = 48 << 10;        // without cudaFuncSetAttribute
constexpr size_t kSharedBytesOptIn = 227 << 10;  // with it, on devices of compute capability 9.0
constexpr size_t kRegisters = 64 << 10;          // of a multiprocessor, and of a block

struct Function {
  std::string name;
  size_t dynamic_shared_limit = 0;  // as set by cudaFuncSetAttribute; 0: not set
};

struct Configuration {
  dim3 grid, block;
  size_t shared = 0;
  cudaStream_t stream = nullptr;
};

// Built on first use: other files register theirs while the library is being loaded.
std::map<std::string, const Kernel*>& kernels() {
  static std::map<std::string, const Kernel*> all;
  return all;
}

std::map<const void*, Function>& functions() {
  static std::map<const void*, Function> all;
  return all;
}

Configuration configuration;
cudaError_t last_error = cudaSuccess;

cudaError_t refuse(cudaError_t code, const std::string& why) {
  complain("cudart: " + why);
  last_error = code;
  return code;
}

Dim dim_of(dim3 d) { return {d.x, d.y, d.z}; }

std::string text_of(dim3 d) {
  return std::to_string(d.x) + " x " + std::to_string(d.y) + " x " + std::to_string(d.z);
}

// Registers that a block takes: each of its warps so many times 256.
size_t registers_of(const Kernel& kernel, size_t threads) {
  return (threads + 31) / 32 * ((kernel.registers + 7) / 8 * 256);
}

// What a device would refuse; cudaSuccess if nothing.
cudaError_t check_limits(const Kernel& kernel, const Function& function, dim3 grid, dim3 block,
                         size_t shared) {
  const size_t threads = size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64) {
    return refuse(cudaErrorInvalidConfiguration, "a block of " + text_of(block) + " threads");
  }
  if (kernel.max_threads && threads > kernel.max_threads) {
    return refuse(cudaErrorInvalidValue, "a block of " + text_of(block) + " threads, and " +
                                             kernel.name + " was compiled for at most " +
                                             std::to_string(kernel.max_threads));
  }
  if (const size_t registers = registers_of(kernel, threads); registers > kRegisters) {
    return refuse(cudaErrorLaunchOutOfResources,
                  "a block of " + text_of(block) + " threads, each with " +
                      std::to_string(kernel.registers) + " registers: " + kernel.name + " needs " +
                      std::to_string(registers) + " of 65536");
  }
  if (!grid.x || !grid.y || !grid.z || grid.x > 2147483647 || grid.y > 65535 || grid.z > 65535) {
    return refuse(cudaErrorInvalidConfiguration, "a grid of " + text_of(grid) + " blocks");
  }
  const size_t total = kernel.static_shared_bytes + shared;
  const bool allowed = shared <= function.dynamic_shared_limit || total <= kSharedBytes;
  if (!allowed || total > kSharedBytesOptIn) {
    return refuse(cudaErrorInvalidValue,
                  std::to_string(shared) + " bytes of dynamic shared memory beside " +
                      std::to_string(kernel.static_shared_bytes) + " static ones; " + kernel.name +
                      " may have 49152 in all, or what cudaFuncSetAttribute has allowed: " +
                      std::to_string(function.dynamic_shared_limit));
  }
  return cudaSuccess;
}

cudaError_t launch(const void* stub, dim3 grid, dim3 block, void** arguments, size_t shared) {
  if (!error.empty()) return last_error = cudaErrorLaunchFailure;
  const auto function = functions().find(stub);
  if (function == functions().end()) {
    return refuse(cudaErrorInvalidDeviceFunction, "launch of a kernel that was not registered");
  }
  const auto kernel = kernels().find(function->second.name);
  if (kernel == kernels().end()) {
    return refuse(cudaErrorInvalidDeviceFunction, "no translation of " + function->second.name);
  }
  const Kernel& found = *kernel->second;
  if (const cudaError_t code = check_limits(found, function->second, grid, block, shared)) {
    return code;
  }
  const bool done = run_grid(found, dim_of(grid), dim_of(block),
                             found.static_shared_bytes + static_cast<uint32_t>(shared),
                             reinterpret_cast<const unsigned char* const*>(arguments));
  return done ? cudaSuccess : last_error = cudaErrorLaunchFailure;
}

}  // namespace

void complain(const std::string& why) {
  if (error.empty()) error = why;
}

void register_kernels(const Kernel* all, size_t count) {
  for (size_t i = 0; i < count; ++i) kernels()[all[i].name] = &all[i];
}

}  // namespace ptx

using namespace ptx;

extern "C" {

void** __cudaRegisterFatBinary(void*) {
  static void* handle;
  return &handle;
}

void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}

void __cudaRegisterFunction(void**, const char* stub, char*, const char* name, int, uint3*, uint3*,
                            dim3*, dim3*, int*) {
  functions()[stub].name = name;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  configuration = {grid, block, shared, stream};
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  *grid = configuration.grid;
  *block = configuration.block;
  *shared = configuration.shared;
  *static_cast<cudaStream_t*>(stream) = configuration.stream;
  return cudaSuccess;
}

// A handle of a kernel is its host stub here.
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* stub) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(stub));
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               size_t shared, cudaStream_t) {
  return launch(kernel, grid, block, arguments, shared);
}

cudaError_t cudaLaunchKernel(const void* stub, dim3 grid, dim3 block, void** arguments,
                             size_t shared, cudaStream_t) {
  return launch(stub, grid, block, arguments, shared);
}

cudaError_t cudaFuncSetAttribute(const void* stub, cudaFuncAttribute attribute, int value) {
  const auto function = functions().find(stub);
  if (function == functions().end()) {
    return refuse(cudaErrorInvalidDeviceFunction, "cudaFuncSetAttribute of an unknown kernel");
  }
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  const auto kernel = kernels().find(function->second.name);
  const size_t fixed = kernel == kernels().end() ? 0 : kernel->second->static_shared_bytes;
  if (value < 0 || fixed + static_cast<size_t>(value) > kSharedBytesOptIn) {
    return refuse(cudaErrorInvalidValue, std::to_string(value) + " bytes of dynamic shared memory");
  }
  function->second.dynamic_shared_limit = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *function = driver_function(name);
  *result = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return *function ? cudaSuccess : refuse(cudaErrorSymbolNotFound, name);
}

cudaError_t cudaGetLastError() {
  const cudaError_t code = last_error;
  last_error = cudaSuccess;
  return code;
}

cudaError_t cudaPeekAtLastError() { return last_error; }

// --- for Python

[[gnu::visibility("default")]] void ptx_schedule(int order, uint64_t seed) {
  schedule = {static_cast<Order>(order), seed};
}

[[gnu::visibility("default")]] const char* ptx_error() { return error.c_str(); }

[[gnu::visibility("default")]] void ptx_clear_error() {
  error.clear();
  last_error = cudaSuccess;
}

}  // extern "C"
