#include "fibers.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "sanitizers.h"

namespace ptx {
namespace {

constexpr size_t kGuardBytes = 4096;

#if defined(__x86_64__)
// What the System V ABI makes a function keep: six registers. Rounding modes are never changed.
[[gnu::naked, gnu::noinline]] void exchange(void** /*from: rdi*/, void* /*to: rsi*/) {
  asm("pushq %rbp\n\t"
      "pushq %rbx\n\t"
      "pushq %r12\n\t"
      "pushq %r13\n\t"
      "pushq %r14\n\t"
      "pushq %r15\n\t"
      "movq %rsp, (%rdi)\n\t"
      "movq %rsi, %rsp\n\t"
      "popq %r15\n\t"
      "popq %r14\n\t"
      "popq %r13\n\t"
      "popq %r12\n\t"
      "popq %rbx\n\t"
      "popq %rbp\n\t"
      "ret");
}
constexpr int kSavedRegisters = 6;
#else
#error "the emulator switches stacks by hand and knows how on x86-64 only"
#endif

unsigned char* new_stack() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
    std::perror("ptx: no memory for the stack of a thread");
    std::abort();
  }
  return static_cast<unsigned char*>(memory) + kGuardBytes;
}

// Contexts of the launch that runs. A block's are kept to its end: one that was used again would
// make two blocks look like one after the other. Of more than the sanitizer can have (8128) the
// oldest go, and with them races with the blocks that they were of.
constexpr size_t kMostContexts = 6144;
std::deque<void*> contexts;

}  // namespace

unsigned char* stack_memory(size_t number) {
  static std::vector<unsigned char*> stacks;
  while (stacks.size() <= number) stacks.push_back(new_stack());
  return stacks[number];
}

void* new_context() {
  if (!watches_threads()) return nullptr;
  if (contexts.size() == kMostContexts) {
    __tsan_destroy_fiber(contexts.front());
    contexts.pop_front();
  }
  contexts.push_back(__tsan_create_fiber(0));
  return contexts.back();
}

void prepare(Stack& stack, void (*entry)()) {
  if (watches_threads()) {
    forget(stack.memory, kStackBytes);
    stack.context = new_context();
  }
  void** top = reinterpret_cast<void**>(stack.memory + kStackBytes);
  *--top = nullptr;  // where entry would return to; also aligns the stack as a call does
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  stack.pointer = top;
}

void forget(void* pages, size_t bytes) {
  if (!watches_threads()) return;
  mmap(pages, bytes, PROT_READ | PROT_WRITE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void begin_switching(Stack& process) {
  if (watches_threads()) process.context = __tsan_get_current_fiber();
}

void end_switching() {
  for (void* context : contexts) __tsan_destroy_fiber(context);
  contexts.clear();
}

void switch_stack(Stack& from, Stack& to) {
  constexpr unsigned kNoOrder = 1;  // the one does not happen before the other
  if (watches_threads()) __tsan_switch_to_fiber(to.context, kNoOrder);
  exchange(&from.pointer, to.pointer);
}

}  // namespace ptx
