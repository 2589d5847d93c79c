// Memory of the contrastive engine: its buffers, the tiles that it keeps, the sums of its rows.

#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "contrast.h"

namespace simclr_bench {

// Uninitialised memory on a cache line's boundary. In huge pages where the system has them for the
// asking: a tile of long rows lies in more small ones than a core remembers the places of.
template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t size)
      : data_(static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t(64)))) {
#if defined(MADV_HUGEPAGE)
    // The whole ones inside; without them all works the same.
    const uintptr_t begin = reinterpret_cast<uintptr_t>(get());
    const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
    const uintptr_t last = (begin + size * sizeof(T)) / kHugePage * kHugePage;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
  }
  T* get() const { return data_.get(); }

 private:
  static constexpr uintptr_t kHugePage = uintptr_t{2} << 20;
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<T, Free> data_;
};

// Memory for tiles that are kept between the two passes. It is kept between calls too, since
// touching new pages costs more than computing the tiles again; a second call at the same time does
// without.
class Workspace {
 public:
  explicit Workspace(int64_t bytes) {
    static std::mutex mutex;
    static Buffer<char> kept(0);
    static int64_t kept_bytes = 0;
    lock_ = std::unique_lock(mutex, std::try_to_lock);
    if (!lock_ || bytes <= 0) return;
    if (kept_bytes < bytes) {
      kept = Buffer<char>(0);
      kept_bytes = 0;
      kept = Buffer<char>(bytes);
      kept_bytes = bytes;
    }
    data_ = kept.get();
  }
  char* data() const { return data_; }

 private:
  std::unique_lock<std::mutex> lock_;
  char* data_ = nullptr;
};

// Memory behind ContrastTotals.
template <typename T>
struct Totals {
  std::vector<double> sums, moments;
  std::vector<T> maxima;

  void start(int64_t rows, bool with_moments, bool online) {
    sums.assign(rows, 0.0);
    moments.assign(with_moments ? rows : 0, 0.0);
    maxima.assign(online ? rows : 0, -std::numeric_limits<T>::infinity());
  }
  ContrastTotals<T> view() {
    return {sums.data(), moments.empty() ? nullptr : moments.data(),
            maxima.empty() ? nullptr : maxima.data()};
  }
  double maximum(int64_t at) const { return maxima.empty() ? 0.0 : maxima[at]; }
  double mean(int64_t at) const {
    return moments.empty() || sums[at] == 0 ? 0.0 : moments[at] / sums[at];
  }

  void save(int64_t at, double& maximum_at, double& logarithm, double& mean_at) const {
    maximum_at = maximum(at);
    logarithm = std::log(sums[at]);
    mean_at = mean(at);
  }
  void load(int64_t at, double maximum_at, double logarithm, double mean_at) {
    if (!maxima.empty()) maxima[at] = static_cast<T>(maximum_at);
    sums[at] = std::exp(logarithm);
    moments[at] = mean_at * sums[at];
  }

  // Rows without terms, and rows that do not exist, then weigh nothing, whatever is above them.
  void finish() {
    for (T& one : maxima) {
      if (one == -std::numeric_limits<T>::infinity()) one = -one;
    }
  }
};

}  // namespace simclr_bench
