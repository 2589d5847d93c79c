// What the scheduler does with bulk copies: it decides when each lands.

#pragma once

#include "bulk.h"

namespace ptx {

// Those of a block that has failed.
void forget_copies();

// One that has been started and has not landed; null if there is none.
const BulkCopy* copy_under_way();

// Lets one land: the oldest, the latest or any, as the schedule has it.
void make_copy();

}  // namespace ptx
