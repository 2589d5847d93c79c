// What our CUDA runtime takes from a driver.

#pragma once

#include <string>

namespace ptx {

// A function of the driver that is emulated; null for others.
void* driver_function(const char* name);

// Says why a call is refused, if nothing has been said since errors were cleared.
void complain(const std::string& why);

}  // namespace ptx
