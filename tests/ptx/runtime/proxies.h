// The two ways to shared memory: threads (the generic proxy: ld, st, cp.async), and what works
// beside them (the async proxy: bulk copies, wgmma).
//
// What threads have written is seen by the other side after fence.proxy.async only. A fence counts
// for all that was written before it by anyone: the memory model asks for one somewhere on the way
// from the writer to the reader, and schedules show one that comes too early. What the async proxy
// reads must stay as it is until the reader has been waited for.

#pragma once

#include <cstdint>

#include "device.h"

namespace ptx {

// A thread writes; an address outside shared memory is none of our business.
void generic_write(Thread& self, const Site& site, const unsigned char* memory, uint32_t bytes);

// fence.proxy.async
void proxy_fence(Thread& self);

// A copy of the async proxy has landed.
void async_write(Thread& self, const Site& site, uint32_t offset, uint32_t bytes);

// The async proxy is going to read these bytes for the operation that is being started: they may
// not be written from now on. The operation takes hold of all bytes noted since the last one.
void async_read(Thread& self, const Site& site, uint32_t offset, uint32_t bytes);

}  // namespace ptx
