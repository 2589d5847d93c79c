// What the thread sanitizer must be told about threads that it cannot see; nothing without it.
//
// Its functions are there only where its library is loaded before ours.

#pragma once

extern "C" {
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
[[gnu::weak]] void AnnotateIgnoreReadsBegin(const char* file, int line);
[[gnu::weak]] void AnnotateIgnoreReadsEnd(const char* file, int line);
[[gnu::weak]] void AnnotateIgnoreWritesBegin(const char* file, int line);
[[gnu::weak]] void AnnotateIgnoreWritesEnd(const char* file, int line);
}

namespace ptx {

inline bool watches_threads() { return __tsan_create_fiber != nullptr; }

// What a thread has done before it gives is seen by those that take afterwards.
inline void give(void* token) {
  if (watches_threads()) __tsan_release(token);
}
inline void take(void* token) {
  if (watches_threads()) __tsan_acquire(token);
}

// Bookkeeping of the runtime, on which threads may not seem to race.
struct Quiet {
  Quiet() {
    if (!watches_threads()) return;
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
  }
  ~Quiet() {
    if (!watches_threads()) return;
    AnnotateIgnoreWritesEnd("", 0);
    AnnotateIgnoreReadsEnd("", 0);
  }
  Quiet(const Quiet&) = delete;
};

}  // namespace ptx
