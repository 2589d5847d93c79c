"""The bugs that `make mutations` plants, and which tests have to notice them."""

from dataclasses import dataclass

CONTRASTIVE = "tests/losses/contrastive"
DISTILLATION = "tests/losses/distillation"

BFLOAT16 = "csrc/cpu/contrast_bfloat16.h"
BFLOAT16_PRODUCTS = "csrc/cpu/bfloat16.h"
BLOCKS = "csrc/cpu/contrast_blocks.h"
PANELS = "csrc/cpu/contrast_panels.h"
SUMS = "csrc/cpu/contrast_sums.h"
GRADIENT = "csrc/cpu/contrast_gradient.h"
ROWS = "csrc/cpu/contrast_rows.h"
ENGINE = "csrc/cpu/contrast_engine.h"
SCHEDULE = "csrc/cpu/contrast_schedule.h"
DISTILLATION_ROWS = "csrc/cpu/distillation_rows.h"
CUDA_BLOCK = "csrc/cuda/block.cuh"
CUDA_TILE = "csrc/cuda/nt_xent/tile.cuh"
CUDA_BACKWARD = "csrc/cuda/nt_xent/backward.cu"
CUDA_SUMS = "csrc/cuda/nt_xent/sums.cuh"
CUDA_HOPPER = "csrc/cuda/hopper.cuh"
CUDA_HOPPER_TILE = "csrc/cuda/nt_xent/tile_sm90.cuh"
CUDA_HOPPER_TILES = "csrc/cuda/nt_xent/tiles_sm90.cu"
CUDA_HOPPER_BACKWARD = "csrc/cuda/nt_xent/backward_sm90.cu"
CUDA_HOPPER_GRADIENT = "csrc/cuda/nt_xent/gradient_sm90.cuh"
CUDA_HOPPER_SLABS = "csrc/cuda/nt_xent/slabs_sm90.cu"
CUDA_GRADIENT = "csrc/cuda/nt_xent/gradient.cuh"
CUDA_WIDE = "csrc/cuda/nt_xent/wide.cu"
CUDA_ROWS = "csrc/cuda/nt_xent/rows.cu"
CUDA_SMALL_GRADIENTS = "csrc/cuda/nt_xent/small_gradients.cuh"
CUDA_SMALL_LOSSES = "csrc/cuda/nt_xent/small_losses.cuh"
CUDA_SMALL_ROWS = "csrc/cuda/nt_xent/small_pack.cuh"
CUDA_LABELS_FORWARD = "csrc/cuda/nt_xent/labels_forward.cu"
CUDA_LABELS_BACKWARD = "csrc/cuda/nt_xent/labels_backward.cu"
DISTILLATION_CUDA_ROWS = "csrc/cuda/distillation/rows.cuh"
DISTILLATION_CUDA_SUMS = "csrc/cuda/distillation/sums.cuh"
DISTILLATION_CUDA_TERMS = "csrc/cuda/distillation/terms.cuh"
DISTILLATION_CUDA_TILE = "csrc/cuda/distillation/tile.cuh"


@dataclass(frozen=True)
class Mutation:
    """A bug to plant.

    Attributes:
        name: What is broken.
        file: Where, from the root.
        old: Text that stands there exactly once.
        new: What stands there instead.
        tests: What must notice, as pytest takes it.
        needs: The CPU capability without which the broken code never runs, or "nvcc".
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    needs: str = "baseline"


MUTATIONS = (
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
        "CUDA: a block's sum is read before all threads have added theirs",
        CUDA_BLOCK,
        "  values[threadIdx.x] = value;\n  __syncthreads();",
        "  values[threadIdx.x] = value;",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a stage of rows is overwritten while others read it",
        CUDA_TILE,
        "      __syncthreads();  // all have their part of this step, and are done with the one "
        "before\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: rows are multiplied before they have arrived",
        CUDA_BACKWARD,
        "wait_for_fetches<B::kStages - 2>();",
        "wait_for_fetches<B::kStages - 1>();",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a row is its own negative",
        CUDA_TILE,
        "    return row < rows && column < columns && !(skips_diagonal && row == column);",
        "    return row < rows && column < columns;",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: columns beyond the last are counted",
        CUDA_TILE,
        "    return row < rows && column < columns && !(skips_diagonal && row == column);",
        "    return row < rows && !(skips_diagonal && row == column);",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a running sum is not rescaled to a larger maximum",
        CUDA_SUMS,
        "        sum *= exp2_approx((top - other_top) * scale);\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a tile serves the sums of its rows only",
        CUDA_SUMS,
        "const bool is_column = !pass.towers || block >= layout.view_blocks;",
        "const bool is_column = false;",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a run of tiles is not rescaled to a larger maximum",
        CUDA_SUMS,
        "      sum *= exp2_approx((top - shift) * scale);\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: rows are given back before their products have been waited for",
        CUDA_HOPPER_TILE,
        "        wait_for_products<1>();\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: consumers of a ring wait for the wrong parity",
        CUDA_HOPPER,
        "wait_until_full() const { wait(full(), parity); }",
        "wait_until_full() const { wait(full(), parity ^ 1); }",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: sums of columns are read before all warps have written theirs",
        CUDA_HOPPER_TILES,
        "    sync_threads<128>(3 + half_block);\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a row is not pushed as a negative of others",
        CUDA_GRADIENT,
        "const float weight = scale * (r % 2 ? columns.weights.y : columns.weights.x);",
        "const float weight = 0;",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: smaller parts of weights are lost",
        CUDA_GRADIENT,
        "int order = Numbers::gradient_orders - 1; order >= 0; --order",
        "int order = 0; order >= 0; --order",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: weights of the next rows are those of the last",
        CUDA_WIDE,
        "      weights += W::kLoads * 32;\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: rows are given back before their gradient products have been waited for",
        CUDA_HOPPER_BACKWARD,
        "    wait_for_products<1>();\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: warpgroups read the block's own rows before they are there",
        CUDA_HOPPER_BACKWARD,
        "wait(block.own_barrier(), 0);",
        "wait(block.own_barrier(), 1);",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: no fence between weights and their products",
        CUDA_HOPPER_GRADIENT,
        "    fence_products();\n#pragma",
        "#pragma",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: weights are multiplied before the rows have arrived",
        CUDA_HOPPER_SLABS,
        "    ring.wait_until_full();\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: only one of a pair pulls",
        CUDA_ROWS,
        "norms[pair], in.pulls[row] + in.pulls[pair], c.k(),",
        "norms[pair], in.pulls[row], c.k(),",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: small gradients begin with new rows before all are done with the last",
        CUDA_SMALL_GRADIENTS,
        "    __syncthreads();  // all are done with these rows\n",
        "",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: the first small block to finish adds up what all have",
        CUDA_SMALL_LOSSES,
        "last = before == count - 1;",
        "last = before == 0;",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a small row is read past its end",
        CUDA_SMALL_ROWS,
        "z && d + e < dim ? z[d + e] : from_float<element_t>(0);",
        "z ? z[d + e] : from_float<element_t>(0);",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a sum of labels is written over one that is still read",
        CUDA_LABELS_FORWARD,
        "    __syncthreads();  // what was written last has been read\n",
        "",
        "tests/ptx/test_nt_xent_labels.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a label of two rows is no pair",
        CUDA_LABELS_BACKWARD,
        "const bool pair = count == 1;",
        "const bool pair = false;",
        "tests/ptx/test_nt_xent_labels.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: the teacher's sum scales the student",
        DISTILLATION_CUDA_TERMS,
        "  f.student_scale = scale / student;",
        "  f.student_scale = scale / teacher;",
        "tests/ptx/test_distillation.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: sums of a long row are not rescaled to a larger maximum",
        DISTILLATION_CUDA_SUMS,
        "      student = student_weight * of_student;",
        "      student = student_weight;",
        "tests/ptx/test_distillation.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a larger maximum makes NaN of an infinite sum that it should take to 0",
        DISTILLATION_CUDA_SUMS,
        "cross = factor != 0 ? cross * factor + step * (weight * factor) : 0;",
        "cross = cross * factor + step * (weight * factor);",
        "tests/ptx/test_distillation.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: warps that share a row read their sums before all have written",
        DISTILLATION_CUDA_ROWS,
        "slots[warp] = value;\n  __syncthreads();",
        "slots[warp] = value;",
        "tests/ptx/test_distillation.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: vectors of a row that begins anywhere are written as if they were aligned",
        DISTILLATION_CUDA_ROWS,
        "gradients_aligned = b * p.classes % kVector<element_t> == head;",
        "gradients_aligned = true;",
        "tests/ptx/test_distillation.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a tile is read before all of it is there",
        DISTILLATION_CUDA_TILE,
        "              p.teacher_stride);\n    __syncthreads();",
        "              p.teacher_stride);",
        "tests/ptx/test_distillation.py",
        needs="nvcc",
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
