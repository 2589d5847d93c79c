// Stacks to run CUDA threads on, and the switch between them.

#pragma once

#include <cstddef>

namespace ptx {

// Translated kernels keep all their registers on the stack when compiled without optimisation.
constexpr size_t kStackBytes = 256 << 10;

struct Stack {
  void* pointer = nullptr;          // of the suspended execution
  unsigned char* memory = nullptr;  // lowest address; null for the stack of the process
  void* context = nullptr;          // the thread sanitizer's, if it watches
};

// The memory of one of many stacks, each with a page below that must not be touched.
unsigned char* stack_memory(size_t number);

// Makes `stack` ready to call `entry` at the next switch to it. `entry` must not return.
void prepare(Stack& stack, void (*entry)());

// The thread sanitizer's name for something that runs beside the caller, from now to the end of the
// launch; null if it does not watch.
void* new_context();

// Fresh memory in place of `bytes` bytes of pages, if the thread sanitizer watches: it forgets who
// has used them.
void forget(void* pages, size_t bytes);

// To be called first and last in a launch, on the stack of the process.
void begin_switching(Stack& process);
void end_switching();

// Suspends the caller in `from` and goes on where `to` was suspended.
void switch_stack(Stack& from, Stack& to);

}  // namespace ptx
