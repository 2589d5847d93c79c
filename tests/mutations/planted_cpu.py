"""The bugs that are planted in the CPU kernels."""

from tests.mutations.mutation import Mutation

CONTRASTIVE = "tests/losses/contrastive"
DISTILLATION = "tests/losses/distillation"
BFLOAT16 = "csrc/cpu/contrast_bfloat16.h"
BFLOAT16_PRODUCTS = "csrc/cpu/bfloat16.h"
BLOCKS = "csrc/cpu/contrast_blocks.h"
PANELS = "csrc/cpu/contrast_panels.h"
SUMS = "csrc/cpu/contrast_sums.h"
ROWS = "csrc/cpu/contrast_rows.h"
ENGINE = "csrc/cpu/contrast_engine.h"
SCHEDULE = "csrc/cpu/contrast_schedule.h"
DISTILLATION_ROWS = "csrc/cpu/distillation_rows.h"

ON_CPU = (
    Mutation(
        "column sums: a tile serves its rows only",
        SUMS,
        "      for (int64_t lane = 0; tile.columns && lane < kPanel<T>; ++lane) {",
        "      for (int64_t lane = 0; false && lane < kPanel<T>; ++lane) {",
        CONTRASTIVE,
    ),
    Mutation(
        "edge-tile mask: rows that do not exist count",
        BLOCKS,
        "    Mask<T> mask = numbers < static_cast<T>(row < rows ? columns : 0);",
        "    Mask<T> mask = numbers < static_cast<T>(columns);",
        CONTRASTIVE,
    ),
    Mutation(
        "edge-tile mask: columns that do not exist count",
        BLOCKS,
        "    Mask<T> mask = numbers < static_cast<T>(row < rows ? columns : 0);",
        "    Mask<T> mask = numbers < static_cast<T>(row < rows ? 1 << 20 : 0);",
        CONTRASTIVE,
    ),
    Mutation(
        "self mask: a row is its own negative",
        BLOCKS,
        "    if (part == TilePart::kAboveDiagonal) mask &= numbers > static_cast<T>(row);",
        "    if (part == TilePart::kAboveDiagonal) mask &= numbers >= static_cast<T>(row);",
        CONTRASTIVE,
    ),
    Mutation(
        "positive term: half of its pull",
        ENGINE,
        "pair != i ? missed[i] + missed[pair] : 0.0;",
        "pair != i ? missed[i] : 0.0;",
        CONTRASTIVE,
    ),
    Mutation(
        "gradient: the transposed half of a tile is lost",
        PANELS,
        "    if (!tile.columns) return;",
        "    return;",
        CONTRASTIVE,
    ),
    Mutation(
        "gradient: a tile overwrites what those before it have added to its columns",
        PANELS,
        "tile.column_turn == 0, gradients,",
        "true, gradients,",
        CONTRASTIVE,
    ),
    Mutation(
        "gradient scale: 1/tau is missing",
        ENGINE,
        "k_ * unit, gradients.get()",
        "unit, gradients.get()",
        CONTRASTIVE,
    ),
    Mutation(
        "temperature gradient: twice its size",
        ENGINE,
        "    return -k_ * k_ * sum;",
        "    return -2 * k_ * k_ * sum;",
        CONTRASTIVE,
    ),
    Mutation(
        "normalisation: no projection onto the sphere",
        ROWS,
        "  const double radial = normalize && !(norm < kNormEpsilon) ? along : 0.0;",
        "  const double radial = 0.0;",
        CONTRASTIVE,
    ),
    Mutation(
        "exponents: nothing taken out where they overflow",
        ENGINE,
        "    online_ = !normalize_ || o_.scale > kLargestExponent<T>;",
        "    online_ = !normalize_;",
        CONTRASTIVE,
    ),
    Mutation(
        "online maximum: a row's running sum is not rescaled",
        SUMS,
        "    running = running * before_ + sum * added_;",
        "    running = running + sum * added_;",
        CONTRASTIVE,
    ),
    Mutation(
        "long rows: the second part of a sum is lost",
        PANELS,
        "          if (begin > 0) add(part, block);",
        "          if (begin > 2 * kDepth) add(part, block);",
        CONTRASTIVE,
    ),
    Mutation(
        "bfloat16: a tile serves the gradients of its rows only",
        BFLOAT16,
        "    if (!tile.columns) return;",
        "    return;",
        CONTRASTIVE,
        needs="avx512_bf16",
    ),
    Mutation(
        "bfloat16: the rows of a pair change places",
        BFLOAT16,
        "paired<1>(two[0], two[1])};",
        "paired<1>(two[1], two[0])};",
        CONTRASTIVE,
        needs="avx512_bf16",
    ),
    Mutation(
        "bfloat16: the second part of a weight repeats the first",
        BFLOAT16_PRODUCTS,
        "  first -= to_float<0>(part);",
        "  first -= 0.0f * to_float<0>(part);",
        CONTRASTIVE,
        needs="amx",
    ),
    Mutation(
        "float32 cut: two of the six products of parts are the same",
        BFLOAT16_PRODUCTS,
        "      read_b(b + 2 * kStepElements);",
        "      read_b(b + kStepElements);",
        CONTRASTIVE,
        needs="amx",
    ),
    Mutation(
        "gradient made in the forward: given away though it is needed again",
        "csrc/saved_gradient.h",
        "has_value(grad) && !torch::autograd::get_current_graph_task_keep_graph() &&",
        "has_value(grad) &&",
        CONTRASTIVE,
    ),
    Mutation(
        "schedule: the last round of the tournament is not played",
        SCHEDULE,
        "  for (int64_t round = 0; round < players - 1; ++round) {",
        "  for (int64_t round = 0; round < std::max<int64_t>(1, players - 2); ++round) {",
        CONTRASTIVE,
    ),
    Mutation(
        "supervised: a mean over all rows",
        ENGINE,
        "    for (int64_t i = 0; i < rows_; ++i) count += partners_.any(i);",
        "    for (int64_t i = 0; i < rows_; ++i) count += 1;",
        CONTRASTIVE,
    ),
    Mutation(
        "distillation row statistics: the teacher's maximum is not counted",
        DISTILLATION_ROWS,
        "  total.teacher += teacher_ones + sum_of_lanes<T>(sums.teacher);",
        "  total.teacher += sum_of_lanes<T>(sums.teacher);",
        DISTILLATION,
    ),
    Mutation(
        "distillation row statistics: one temperature for the hard term too",
        DISTILLATION_ROWS,
        "    if (!third) sums.hard = sums.student;",
        "    sums.hard = sums.student;",
        DISTILLATION,
    ),
    Mutation(
        "distillation: label smoothing keeps the whole target",
        "csrc/cpu/distillation_terms.h",
        "    hard -= (1 - p.label_smoothing) * (static_cast<double>",
        "    hard -= (static_cast<double>",
        DISTILLATION,
    ),
    Mutation(
        "global batch: the share of a process is not weighted",
        "simclr_bench/losses/contrastive/distributed.py",
        "        weight = len(pairs) / (2 * sum(pairs)) if mean else float(len(pairs))",
        "        weight = 1 / (2 * sum(pairs)) if mean else 1.0",
        f"{CONTRASTIVE}/test_distributed.py",
    ),
    Mutation(
        "second derivative: silently zero",
        "simclr_bench/losses/contrastive/fused.py",
        '        "contrast_scale": (_refuse, _save_name),\n',
        "",
        CONTRASTIVE,
    ),
)
