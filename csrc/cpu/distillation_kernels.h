// Placeholder; see csrc/cpu/distillation.cpp.

#pragma once

#include "simd.h"
