// Bytes of shared memory that an operation of the async proxy reads while this object lives.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace ptx {

struct Range {
  uint32_t offset, bytes;
};

class Reads {
 public:
  explicit Reads(std::vector<Range> ranges) : ranges_(std::move(ranges)) {}
  ~Reads();
  Reads(const Reads&) = delete;

 private:
  std::vector<Range> ranges_;
};

// All that async_read has noted since the last call.
std::shared_ptr<Reads> noted_reads();

// Forgets who has written and who reads. To be called when nobody reads any more.
void reset_proxies();

}  // namespace ptx
