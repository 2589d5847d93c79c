// The contrastive engine's kernels for rows of floats and of doubles.

#pragma once

#include "contrast_panels.h"
#include "contrast_table.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {

extern constexpr ContrastTables kContrastTables = {kContrast<Panels<float>>,
                                                   kContrast<Panels<double>>};

}  // namespace simclr_bench::SIMCLR_BENCH_ISA
