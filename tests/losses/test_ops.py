"""The compiled operators: opcheck, repeatability, what is saved, and what they refuse."""

import pytest
import torch
from torch import Tensor

from simclr_bench import distillation_loss, nt_xent
from simclr_bench.losses import extension
from simclr_bench.losses.extension import architecture_serves, compiled_extension
from tests.losses.numerics import DTYPES, random

OPERATORS = torch.ops.simclr_bench


def arguments(name: str, dtype: torch.dtype, requires_grad: bool = True) -> tuple:
    """Inputs for the operator of this name: 5 rows of 7, strided, since nothing may rely on it."""
    x, y = (random(5, 14, seed=seed, dtype=dtype)[:, ::2] for seed in (1, 2))
    if name.startswith("nt_xent"):
        options: tuple = (0.5, True)
    else:
        options = (2.0,)
    if name.endswith("forward"):
        return x.requires_grad_(requires_grad), y, *options
    rows, statistics = getattr(OPERATORS, name.replace("backward", "forward"))(x, y, *options)
    return random(len(rows), seed=3, dtype=rows.dtype), x, y, statistics, *options


NAMES = [
    "nt_xent_forward",
    "nt_xent_backward",
    "distillation_forward",
    "distillation_backward",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_opcheck_of_every_compiled_operator(name: str, dtype: torch.dtype) -> None:
    results = torch.library.opcheck(getattr(OPERATORS, name).default, arguments(name, dtype))
    assert set(results.values()) == {"SUCCESS"}


def test_every_operator_is_in_the_list_above() -> None:
    schemas = torch._C._jit_get_all_schemas()
    registered = {s.name for s in schemas if s.name.startswith("simclr_bench::")}
    assert registered == {f"simclr_bench::{name}" for name in NAMES}


def results_with_threads(threads: int) -> list[Tensor]:
    torch.set_num_threads(threads)
    results = []
    for dtype in (torch.float64, torch.float32):
        for name in NAMES:
            x, y = random(301, 37, seed=1, dtype=dtype), random(301, 37, seed=2, dtype=dtype)
            options = (0.1, True) if name.startswith("nt_xent") else (0.1,)
            forward = getattr(OPERATORS, name.replace("backward", "forward"))
            rows, statistics = forward(x, y, *options)
            if name.endswith("backward"):
                backward = getattr(OPERATORS, name)(rows, x, y, statistics, *options)
                results += [backward] if isinstance(backward, Tensor) else list(backward)
            else:
                results += [rows, statistics]
    return results


def test_results_are_bitwise_equal_for_1_2_and_3_threads() -> None:
    before = torch.get_num_threads()
    try:
        one, two, three = (results_with_threads(threads) for threads in (1, 2, 3))
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, one, two))
    assert all(map(torch.equal, one, three))


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
    assert large <= 2 * 800 * 16 * 8  # twice the inputs


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
        ("nt_xent_forward", {0: torch.zeros(3)}, r"nt_xent_forward: z0 must have 2 dimensions"),
        ("nt_xent_forward", {1: torch.zeros(5, 8)}, r"z0 and z1 must have one shape"),
        ("nt_xent_forward", {1: torch.zeros(5, 7).double()}, r"must have one dtype"),
        ("nt_xent_forward", {2: 0.0}, r"temperature must be positive and finite, got 0"),
        ("nt_xent_forward", {2: float("nan")}, r"temperature must be positive and finite"),
        ("nt_xent_backward", {0: torch.zeros(9)}, r"nt_xent_backward: grad must be \[10\]"),
        ("nt_xent_backward", {3: torch.zeros(3, 9)}, r"statistics must be \[3, 10\]"),
        ("nt_xent_backward", {3: torch.zeros(3, 10)}, r"statistics must be float64"),
        ("distillation_forward", {0: torch.zeros(5, 7).int(), 1: torch.zeros(5, 7).int()}, "dtype"),
        (
            "distillation_forward",
            {0: torch.zeros(0, 7), 1: torch.zeros(0, 7)},
            r"must not be empty",
        ),
        ("distillation_backward", {0: torch.zeros(4)}, r"grad must be \[5\]"),
        ("distillation_backward", {3: torch.zeros(4, 4).double()}, r"statistics must be \[4, 5\]"),
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
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_opcheck_on_cuda(name: str, dtype: torch.dtype) -> None:
    given = [x.cuda() if isinstance(x, Tensor) else x for x in arguments(name, dtype, False)]
    results = torch.library.opcheck(getattr(OPERATORS, name).default, tuple(given))
    assert set(results.values()) == {"SUCCESS"}


@pytest.mark.gpu
def test_the_cuda_operators_refuse_float64_by_name() -> None:
    z = torch.zeros(2, 3, dtype=torch.float64, device="cuda")
    with pytest.raises(RuntimeError, match="float64 is not supported on CUDA"):
        OPERATORS.nt_xent_forward(z, z, 0.1, True)
    assert nt_xent(z, z).dtype == torch.float64
