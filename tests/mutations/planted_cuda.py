"""The bugs that are planted in the CUDA kernels."""

from tests.mutations.mutation import Mutation

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

IN_CUDA = (
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
)
