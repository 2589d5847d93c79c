"""`make mutations`: plants bugs one by one and demands that a test notices each.

    python -m tests.mutations [NAME ...]

Works on a copy of the checkout, builds it without CUDA, applies one mutation at a time, rebuilds
where C++ changed, and runs the tests named beside it. Prints a table; exit code 1 if a bug lives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.ptx.emulator.nvcc import why_not

ROOT = Path(__file__).resolve().parents[1]

CONTRASTIVE = "tests/losses/contrastive"
DISTILLATION = "tests/losses/distillation"


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


BFLOAT16 = "csrc/cpu/contrast_bfloat16.h"
BLOCKS = "csrc/cpu/contrast_blocks.h"
PANELS = "csrc/cpu/contrast_panels.h"
SUMS = "csrc/cpu/contrast_sums.h"
GRADIENT = "csrc/cpu/contrast_gradient.h"
ROWS = "csrc/cpu/contrast_rows.h"
ENGINE = "csrc/cpu/contrast_engine.h"
SCHEDULE = "csrc/cpu/contrast_schedule.h"
DISTILLATION_ROWS = "csrc/cpu/distillation_rows.h"
CUDA_BLOCK = "csrc/cuda/block.cuh"
CUDA_NT_XENT = "csrc/cuda/nt_xent_kernels.cu"
CUDA_DISTILLATION = "csrc/cuda/distillation_kernels.cu"

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
        "bfloat16: weights rounded once and for all",
        BFLOAT16,
        "        if (part + 1 == kParts) continue;",
        "        if (part + 1 <= kParts) continue;",
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
        "    for (int64_t i = 0; i < rows_; ++i) count += has_positive(i);",
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
        "CUDA: the next sum of a block overwrites the one before",
        CUDA_BLOCK,
        "  __syncthreads();  // the next call writes to the same memory\n",
        "",
        "tests/ptx/test_distillation.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: the weights of a tile are overwritten while others read them",
        CUDA_NT_XENT,
        "      for (int r = 0; r < kRows; ++r) sum[r] += part[r];\n    }\n    __syncthreads();",
        "      for (int r = 0; r < kRows; ++r) sum[r] += part[r];\n    }",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: a row is its own negative",
        CUDA_NT_XENT,
        "if (i >= n || j == i) continue;",
        "if (i >= n) continue;",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: columns beyond the last are counted",
        CUDA_NT_XENT,
        "const int64_t count = n - begin < kThreads ? n - begin : kThreads;",
        "const int64_t count = kThreads;",
        "tests/ptx/test_nt_xent.py",
        needs="nvcc",
    ),
    Mutation(
        "CUDA: the teacher's sum scales the student",
        CUDA_DISTILLATION,
        "const float x_scale = static_cast<float>(exp(-statistics[rows + b]));",
        "const float x_scale = static_cast<float>(exp(-statistics[3 * rows + b]));",
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


def prepare(folder: Path) -> None:
    """A copy of the tracked files, with the objects of this checkout's build, if it has one."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def build(folder: Path) -> bool:
    """Compiles the copy in place; what is up to date is left alone."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    environment = {**os.environ, "SIMCLR_BENCH_CUDA": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr[-2000:], file=sys.stderr)
    return done.returncode == 0


def notices(folder: Path, tests: str) -> str | None:
    """The first test that fails in the copy; None if none does."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *tests.split()], cwd=folder, capture_output=True, text=True)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode == 0:
        return None
    return failed[0].split(" ")[1] if failed else f"pytest exit code {done.returncode}"


def capabilities() -> list[str]:
    """What the CPU of this machine can run, and "nvcc" where CUDA kernels can be emulated."""
    import_module("torch")  # whose libraries the module needs loaded
    supported: list[str] = import_module("simclr_bench._C").supported_cpu_capabilities()
    return supported if why_not() else [*supported, "nvcc"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutations")
    parser.add_argument("names", nargs="*", help="words that the name of a mutation holds")
    wanted = parser.parse_args().names
    chosen = [m for m in MUTATIONS if not wanted or any(word in m.name for word in wanted)]
    for mutation in chosen:
        if mutation.needs not in capabilities():
            print(f"not available  {mutation.name}: this machine has no {mutation.needs}")
    chosen = [m for m in chosen if m.needs in capabilities()]
    for mutation in chosen:
        if (ROOT / mutation.file).read_text().count(mutation.old) != 1:
            raise SystemExit(f"{mutation.name}: {mutation.file} no longer holds its text once")
    lives = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "copy")
        folder.mkdir()
        prepare(folder)
        if not build(folder):
            return 1
        for mutation in chosen:
            path = folder / mutation.file
            sound = path.read_text()
            start = time.monotonic()
            path.write_text(sound.replace(mutation.old, mutation.new))
            if not build(folder):  # also takes back the one before
                return 1
            test = notices(folder, mutation.tests)
            path.write_text(sound)
            lives += test is None
            print(
                f"{'LIVES ' if test is None else 'caught'}  {mutation.name}"
                f"  [{mutation.file}]  {test or ''}  ({time.monotonic() - start:.0f} s)",
                flush=True,
            )
    print(f"{len(chosen) - lives} of {len(chosen)} planted bugs caught")
    return 1 if lives else 0


if __name__ == "__main__":
    raise SystemExit(main())
