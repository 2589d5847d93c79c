"""The compiled operators: opcheck, repeatability, what is saved, and what they refuse."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from torch import Tensor

from simclr_bench import distillation_loss, nt_xent
from simclr_bench.losses import dispatch, extension
from simclr_bench.losses.extension import (
    CPU_CAPABILITY_VARIABLE,
    architecture_serves,
    compiled_extension,
)
from simclr_bench.losses.precision import loss_dtype
from tests.losses.numerics import DTYPES, random

OPERATORS = torch.ops.simclr_bench


def compiled_extension_module() -> ModuleType:
    return importlib.import_module("simclr_bench._C")


OBJECTIVES = ("nt_xent", "decoupled", "info_nce", "supervised")


def contrast_arguments(
    name: str, objective: str, dtype: torch.dtype, learned: bool, requires_grad: bool = True
) -> tuple:
    """Inputs for `contrast` and its kin: 5 rows of 7, strided, since nothing may rely on it."""
    z0, z1 = (random(5, 14, seed=seed, dtype=dtype)[:, ::2] for seed in (1, 2))
    labels = None
    if objective == "supervised":
        z1, labels = z0.new_empty(0, 7), torch.tensor([3, 9, 3, 0, 9])
    # The other two are what backward calls, and refuse to be differentiated.
    requires_grad &= name in {"contrast", "contrast_forward"}
    tau = torch.tensor(0.5, dtype=torch.float64, requires_grad=requires_grad) if learned else None
    options = 0.5, tau, objective, True
    if name == "contrast":
        return z0.requires_grad_(requires_grad), z1, labels, *options, True, requires_grad, 2**20
    if name == "contrast_forward":
        return z0.requires_grad_(requires_grad), z1, labels, None, *options
    if name == "contrast_scale":
        grad = torch.tensor(3.0, dtype=loss_dtype(z0))
        made = z0, torch.zeros_like(z1), torch.tensor(2.0, dtype=torch.float64)
        return grad, z0, z1, tau, *made, objective
    rows, statistics = OPERATORS.contrast_forward(z0, z1, labels, None, *options)
    grad = random(len(rows), seed=3, dtype=rows.dtype)
    return grad, z0, z1, labels, None, statistics.detach(), *options


def arguments(name: str, dtype: torch.dtype, requires_grad: bool = True) -> tuple:
    """Inputs for the operator of this name: 5 rows of 7, strided, since nothing may rely on it."""
    if name.startswith("contrast"):
        return contrast_arguments(name, "nt_xent", dtype, False, requires_grad)
    if name in DISTILLATION:
        return distillation_arguments(name, "kl", "batchmean", dtype, requires_grad)
    if name == "scale_":
        return random(5, 7, seed=1, dtype=dtype), torch.tensor(3.0)
    x, y = (random(5, 14, seed=seed, dtype=dtype)[:, ::2] for seed in (1, 2))
    options: tuple = (0.5, None, "nt_xent", True, "highest", 0)
    others = (None, None)
    if name.endswith("forward"):
        return x.requires_grad_(requires_grad), y, *others, *options
    forward = getattr(OPERATORS, name.replace("backward", "forward"))
    rows, statistics = forward(x, y, *others, *options)
    return random(len(rows), seed=3, dtype=rows.dtype), x, y, *others, statistics, *options


def distillation_arguments(
    name: str, kind: str, reduction: str, dtype: torch.dtype, requires_grad: bool = True
) -> tuple:
    """Inputs for `distillation` and its recomputing backward: one row without a hard term."""
    student, teacher = (random(5, 14, seed=seed, dtype=dtype)[:, ::2] for seed in (1, 2))
    now = reduction != "none"
    options = 2.0, kind, 0.7, 0.3, 0.1, -100, reduction
    target = torch.tensor([0, 6, -100, 3, 3])
    if name == "distillation":
        student.requires_grad_(requires_grad)
        return student, teacher, target, *options, now and requires_grad, False
    grad = torch.full((5,) if reduction == "none" else (), 3.0, dtype=loss_dtype(student))
    return grad, student, teacher, target, *options, True, True


CONTRAST = ["contrast", "contrast_scale", "contrast_forward", "contrast_backward"]
DISTILLATION = ["distillation", "distillation_recompute"]
CUDA_ONLY = ["nt_xent_forward", "nt_xent_backward", "scale_"]


@pytest.mark.parametrize("name", DISTILLATION)
@pytest.mark.parametrize("kind", ["ce", "kl", "reverse_kl", "jsd"])
@pytest.mark.parametrize("reduction", ["batchmean", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_opcheck_of_the_distillation_operators(
    name: str, kind: str, reduction: str, dtype: torch.dtype
) -> None:
    given = distillation_arguments(name, kind, reduction, dtype)
    results = torch.library.opcheck(getattr(OPERATORS, name).default, given)
    assert set(results.values()) == {"SUCCESS"}


@pytest.mark.parametrize("name", CONTRAST)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("learned", [False, True])
def test_opcheck_of_the_contrastive_operators(
    name: str, objective: str, dtype: torch.dtype, learned: bool
) -> None:
    given = contrast_arguments(name, objective, dtype, learned)
    results = torch.library.opcheck(getattr(OPERATORS, name).default, given)
    assert set(results.values()) == {"SUCCESS"}


def test_every_operator_is_in_the_lists_above() -> None:
    schemas = torch._C._jit_get_all_schemas()
    registered = {s.name for s in schemas if s.name.startswith("simclr_bench::")}
    names = [*CONTRAST, *DISTILLATION, *CUDA_ONLY]
    assert registered == {f"simclr_bench::{name}" for name in names}


@pytest.fixture(params=compiled_extension_module().supported_cpu_capabilities())
def cpu_capability(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that this machine has, in turn."""
    module = compiled_extension_module()
    before = module.cpu_capability()
    module.set_cpu_capability(request.param)
    yield request.param
    module.set_cpu_capability(before)


def results_with_threads(threads: int) -> list[Tensor]:
    """What the operators return for sizes of several blocks, at both kinds of temperature."""
    torch.set_num_threads(threads)
    results: list[Tensor] = []
    for dtype in (torch.float64, torch.float32):
        x, y = random(301, 37, seed=1, dtype=dtype), random(301, 37, seed=2, dtype=dtype)
        for temperature in (0.1, 0.005):
            options = temperature, None, "nt_xent", True
            results += OPERATORS.contrast(x, y, None, *options, True, True, 2**20)
            rows, statistics = OPERATORS.contrast_forward(x, y, None, None, *options)
            results += [rows, statistics]
            results += OPERATORS.contrast_backward(rows, x, y, None, None, statistics, *options)
            results += OPERATORS.contrast(
                x.bfloat16(), y.bfloat16(), None, *options, True, True, 2**20
            )
        target = torch.arange(301) % 37
        results += OPERATORS.distillation(
            x, y, target, 0.5, "jsd", 0.7, 0.3, 0.0, -100, "batchmean", True, True
        )
    return results


def test_results_are_bitwise_equal_for_any_number_of_threads(cpu_capability: str) -> None:
    before = torch.get_num_threads()
    try:
        one, *more = (results_with_threads(threads) for threads in (1, 2, 3, 8))
    finally:
        torch.set_num_threads(before)
    for other in more:
        assert all(map(torch.equal, one, other))


def test_the_distillation_operator_checks_its_targets_and_kind() -> None:
    given = list(arguments("distillation", torch.float32, requires_grad=False))
    with pytest.raises(IndexError, match=r"target must be in \[0, 7\) or ignore_index -100, got 7"):
        OPERATORS.distillation(*given[:2], torch.tensor([0, 7, 0, 0, 0]), *given[3:])
    with pytest.raises(ValueError, match="kind must be ce, kl, reverse_kl or jsd, got tv"):
        OPERATORS.distillation(*given[:4], "tv", *given[5:])


def test_an_instruction_set_that_is_not_there_is_refused() -> None:
    module = compiled_extension_module()
    with pytest.raises(ValueError, match=r"must be one of 'baseline'.* on this machine, got 'sse'"):
        module.set_cpu_capability("sse")


def test_the_environment_chooses_the_instruction_set() -> None:
    program = (
        "from simclr_bench.losses import compiled_extension\n"
        "print(compiled_extension().cpu_capability)"
    )

    def run(capability: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, CPU_CAPABILITY_VARIABLE: capability}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    assert run("baseline").stdout == "baseline\n"
    refused = run("mmx")
    assert refused.returncode == 1
    assert f"{CPU_CAPABILITY_VARIABLE}: cpu capability must be one of 'baseline'" in refused.stderr


@pytest.mark.parametrize("impl", ["fused", "chunked"])
def test_what_is_saved_grows_linearly_with_the_rows(impl: str) -> None:
    def saved_bytes(pairs: int) -> int:
        storages = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        z0, z1 = (random(pairs, 16, seed=seed).requires_grad_() for seed in (1, 2))
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = nt_xent(z0, z1, impl=impl)
        loss.backward()
        return sum(storages.values())

    small, large = saved_bytes(100), saved_bytes(400)
    assert large <= 4 * small + 64
    assert large <= 2 * 800 * 16 * 8 + 64  # the inputs and as much again


@pytest.mark.parametrize("impl", ["fused", "chunked"])
def test_no_n_by_n_tensor_is_ever_allocated(impl: str) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            for value in result if isinstance(result, tuple | list) else [result]:
                if isinstance(value, Tensor):
                    self.elements = max(self.elements, value.numel())
            return result

    rows = 2 * 150
    z0, z1 = (random(150, 4, seed=seed).requires_grad_() for seed in (1, 2))
    with Largest() as largest:
        nt_xent(z0, z1, impl=impl).backward()
    assert 0 < largest.elements <= rows * rows / 4


def test_torch_compile_traces_through_the_fused_losses_without_a_break() -> None:
    def both(x: Tensor, y: Tensor) -> Tensor:
        return nt_xent(x, y, 0.5) + distillation_loss(x, y, temperature=2.0)

    x, y = random(6, 4, seed=1).requires_grad_(), random(6, 4, seed=2)
    compiled = torch.compile(both, backend="aot_eager", fullgraph=True)
    (got,) = torch.autograd.grad(compiled(x, y), x)
    (want,) = torch.autograd.grad(both(x, y), x)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("contrast_forward", {0: torch.zeros(3)}, r"contrast_forward: z0 must have 2 dimensions"),
        ("contrast_forward", {1: torch.zeros(5, 8)}, r"z0 and z1 must have one shape"),
        ("contrast_forward", {1: torch.zeros(5, 7).double()}, r"must have one dtype"),
        ("contrast_forward", {2: torch.zeros(5).long()}, r"labels are for the supervised"),
        ("contrast_forward", {3: torch.zeros(2, 3, 6)}, r"others must be \[2, pairs, 7\]"),
        ("contrast_forward", {4: 0.0}, r"temperature must be positive and finite, got 0"),
        ("contrast_forward", {4: float("nan")}, r"temperature must be positive and finite"),
        ("contrast_forward", {5: torch.ones(2)}, r"learned_temperature must be a floating-point"),
        ("contrast_forward", {6: "simclr"}, r"objective must be nt_xent, decoupled, .* got simclr"),
        ("contrast_forward", {6: "supervised"}, r"z1 must be empty with labels"),
        ("contrast_backward", {0: torch.zeros(9)}, r"contrast_backward: grad must be \[10\]"),
        ("contrast_backward", {5: torch.zeros(4, 9)}, r"statistics must be \[4, 10\]"),
        ("contrast_backward", {5: torch.zeros(4, 10)}, r"statistics must be float64"),
        ("contrast_scale", {0: torch.zeros(1)}, r"contrast_scale: grad must be a number"),
        ("distillation", {0: torch.zeros(3)}, r"distillation: student must have 2 dimensions"),
        ("distillation", {0: torch.zeros(5, 7).int(), 1: torch.zeros(5, 7).int()}, "dtype"),
        ("distillation", {1: torch.zeros(5, 8)}, r"student and teacher must have one shape"),
        ("distillation", {3: -1.0}, r"temperature must be positive and finite, got -1"),
    ],
)
def test_operators_called_directly_check_what_they_rely_on(
    name: str, change: dict[int, object], message: str
) -> None:
    given = list(arguments(name, torch.float32, requires_grad=False))
    for position, value in change.items():
        given[position] = value
    with pytest.raises(RuntimeError, match=message):
        getattr(OPERATORS, name)(*given)


@pytest.mark.parametrize(
    ("architecture", "serves", "does_not"),
    [
        ("8.0", [(8, 0), (8, 6)], [(7, 5), (9, 0)]),
        ("8.0+PTX", [(8, 0), (8, 9), (9, 0), (12, 0)], [(7, 5)]),
        ("8.6", [(8, 6), (8, 9)], [(8, 0)]),
        ("9.0a", [(9, 0)], [(8, 0), (10, 0)]),
        ("12.0", [(12, 0)], [(9, 0)]),
    ],
)
def test_which_devices_an_architecture_serves(
    architecture: str, serves: list[tuple[int, int]], does_not: list[tuple[int, int]]
) -> None:
    assert all(architecture_serves(architecture, device) for device in serves)
    assert not any(architecture_serves(architecture, device) for device in does_not)


def test_build_info_says_what_the_extension_was_built_with() -> None:
    extension = compiled_extension()
    assert extension.built and extension.loaded and extension.error is None
    info = extension.build_info
    assert info is not None
    assert sorted(info) == sorted(
        ["architectures", "compiler", "cuda", "cuda_flags", "flags", "source_hash", "torch"]
    )
    assert info["compiler"].split()[0] in {"gcc", "clang"}
    assert "-O3" in info["flags"] and "fast-math" not in info["flags"] + info["cuda_flags"]
    assert "march" not in info["flags"]
    assert info["torch"] == torch.__version__
    assert len(info["source_hash"]) == 16 and int(info["source_hash"], 16) >= 0
    assert (info["cuda"] is None) == (info["architectures"] == [])


def test_float64_on_cuda_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    info = {**compiled_extension().build_info, "cuda": "13.0", "architectures": ["8.0+PTX"]}
    monkeypatch.setattr(extension, "_EXTENSION", extension.CompiledExtension(True, None, info))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    device = torch.device("cuda")
    assert "no CUDA kernel for torch.float64" in str(extension.why_not_fused(device, torch.float64))
    assert extension.why_not_fused(device, torch.float32) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert "the device is 7.5" in str(extension.why_not_fused(device, torch.float32))


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*DISTILLATION, *CUDA_ONLY])
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_opcheck_on_cuda(name: str, dtype: torch.dtype) -> None:
    given = [x.cuda() if isinstance(x, Tensor) else x for x in arguments(name, dtype, False)]
    results = torch.library.opcheck(getattr(OPERATORS, name).default, tuple(given))
    assert set(results.values()) == {"SUCCESS"}


@pytest.mark.gpu
def test_the_cuda_operators_refuse_float64_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.zeros(2, 3, dtype=torch.float64, device="cuda")
    with pytest.raises(RuntimeError, match="float64 is not supported on CUDA"):
        OPERATORS.nt_xent_forward(z, z, None, None, 0.1, None, "nt_xent", True, "highest", 0)
    for loss in (nt_xent, distillation_loss):
        monkeypatch.setattr(dispatch, "_warned", set())
        with pytest.warns(UserWarning, match="no CUDA kernel for torch.float64") as caught:
            assert loss(z, z).dtype == loss(z, z).dtype == torch.float64
        assert len(caught) == 1
