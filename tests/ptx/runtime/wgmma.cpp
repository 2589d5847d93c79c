#include "wgmma.h"

#include <cstring>

#include "sanitizers.h"
#include "waiting.h"

namespace ptx {

void check_product(Thread& self, const Site& site, const WarpgroupOperands& operands,
                   const float* d, int count) {
  const Quiet quiet;
  const Products& products = static_cast<Fiber&>(self).products;
  if (self.linear / 128 * 128 + 128 > run.fibers.size()) {
    fail(self, site, "not in a warpgroup of 128 threads");
  }
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  const bool untouched = operands.accumulate &&
                         products.sums.size() == static_cast<size_t>(count) &&
                         std::memcmp(products.sums.data(), d, bytes) == 0;
  if (!products.fenced && !untouched) {
    fail(self, site, "no wgmma.fence since registers were free to use");
  }
}

void enter_product(Thread& self, const Site& site, const WarpgroupOperands& operands) {
  const Quiet quiet;
  Products& products = static_cast<Fiber&>(self).products;
  products.open.push_back(noted_reads());
  products.site = &site;
  for (const uint64_t part : {reinterpret_cast<uint64_t>(&site), operands.a, operands.b}) {
    products.digest = (products.digest ^ part) * 0x100000001b3;
  }
}

void leave_product(Thread& self, const float* d, int count) {
  const Quiet quiet;
  static_cast<Fiber&>(self).products.sums.assign(d, d + count);
}

void warpgroup_fence(Thread& self) { static_cast<Fiber&>(self).products.fenced = true; }

void warpgroup_commit(Thread& self) {
  const Quiet quiet;
  Products& products = static_cast<Fiber&>(self).products;
  products.groups.push_back(std::move(products.open));
  products.open.clear();
}

void end_products(Thread& self, uint32_t pending) {
  Products& products = static_cast<Fiber&>(self).products;
  while (products.groups.size() > pending) products.groups.erase(products.groups.begin());
  products.fenced = false;
}

}  // namespace ptx
