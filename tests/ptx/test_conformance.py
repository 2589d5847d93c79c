"""The emulator gives what a device has given: every file under conformance/, once there is one.

Until then, and beside it, the machinery is tried on records that the emulator makes itself.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import conformance as recorder
from benchmarks.measuring import cuda

from . import conformance
from .conformance import INDEX, RECORDS, Case, cases, differences, emulator, read, replay
from .emulator.library import Argument
from .shipped import Array

f32 = np.float32


def record(path: Path, chosen: Sequence[Case]) -> Path:
    conformance.record(path, emulator, {"device": "the emulator"}, chosen)
    return path


def some(*launchers: str) -> list[Case]:
    return [case for case in cases() if case.launcher in launchers]


def test_the_emulator_repeats_what_devices_have_recorded(tmp_path: Path) -> None:
    """All files, the emulator's own included: a record that is never read would be no test."""
    own = record(tmp_path / "emulator.npz", list(cases()))
    assert own.stat().st_size < 2_000_000
    for path in [own, *sorted(RECORDS.glob("*.npz"))]:
        facts, recorded = read(path)
        assert facts["device"] and len(recorded) >= 100
        assert replay(path, emulator) == [], path.name


def test_every_launcher_of_single_instructions_is_recorded() -> None:
    from . import test_floats, test_integers

    names = {*test_integers.INTEGERS, *test_floats.FLOATS, *test_floats.APPROXIMATE}
    wanted = {*names, *test_floats.ALONE}
    assert {case.launcher for case in cases() if case.source == "instructions"} == wanted


def test_a_file_gives_back_calls_and_results(tmp_path: Path) -> None:
    chosen = some("run_product", "shl_b64", "run_votes")
    _, recorded = read(record(tmp_path / "a.npz", chosen))
    assert len(recorded) == len(chosen)
    for (case, result), original in zip(recorded, chosen, strict=True):
        assert (case.source, case.launcher) == (original.source, original.launcher)
        assert case.filled == original.filled
        for got, want in zip(case.arguments, original.arguments, strict=True):
            assert type(got) is type(want)
            assert np.array_equal(np.asarray(got), np.asarray(want))
            if isinstance(want, np.ndarray):
                assert isinstance(got, np.ndarray) and got.dtype == want.dtype
        assert result.shape == original.results(emulator).shape


@pytest.mark.parametrize("launcher", ["add_s32", "fma_rn_f32", "ex2_f32", "run_shuffles"])
def test_a_record_of_another_result_is_noticed(launcher: str, tmp_path: Path) -> None:
    def wrong(source: str, name: str, arguments: Sequence[Argument]) -> None:
        emulator(source, name, arguments)
        if name == launcher:
            filled = next(case.filled for case in some(launcher))
            result = arguments[filled]
            assert isinstance(result, np.ndarray)
            place = np.flatnonzero(np.isfinite(result) & (np.abs(result.astype(float)) > 1))[0]
            # Eight ulps: more than any of these is allowed.
            result.reshape(-1).view(np.uint32)[place] ^= 8

    path = tmp_path / "wrong.npz"
    conformance.record(path, wrong, {"device": "wrong"}, some(launcher, "add_f32"))
    source = some(launcher)[0].source
    assert all(line.startswith(f"{source} {launcher}: 1 of ") for line in replay(path, emulator))
    assert len(replay(path, emulator)) == len(some(launcher))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.npz", some("add_f32"))
    with np.load(path) as file:
        arrays: dict[str, Array] = {name: file[name] for name in file.files}
    name = next(name for name in arrays if name != INDEX)
    arrays[name] = arrays[name].copy()
    arrays[name].view(np.uint8)[17] ^= 1
    np.savez(path, allow_pickle=False, **arrays)
    with pytest.raises(ValueError, match=f"array {name} has been changed"):
        replay(path, emulator)


def test_unwritten_results_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "nothing.npz"
    nothing = some("add_s32", "add_f32", "run_barriers")
    conformance.record(path, lambda *_: None, {"device": "does nothing"}, nothing)
    assert len(replay(path, emulator)) == len(nothing)


def test_what_may_differ_and_what_may_not() -> None:
    one, next_one = np.array([1], f32), np.nextafter(np.array([1], f32), f32(2))
    nans = np.array([0x7FC00000], np.uint32).view(f32), np.array([0xFFFFFFFF], np.uint32).view(f32)
    assert differences("add_f32", one, one) == 0 and differences("add_f32", one, next_one) == 1
    assert differences("rcp_f32", one, next_one) == 0
    assert differences("add_f32", *nans) == 0 and differences("ex2_f32", nans[0], one) == 1
    zeros = np.array([0.0], f32), np.array([-0.0], f32)
    assert differences("add_f32", *zeros) == 1
    infinite = np.array([np.inf], f32)
    large = np.array([3e38], f32)
    assert differences("ex2_f32", infinite, large) == differences("rsqrt_f32", large, infinite) == 1
    small, zero = np.array([1e-40], f32), np.zeros(1, f32)
    assert differences("ex2_ftz_f32", small, zero) == 0 and differences("ex2_f32", small, zero) == 1
    assert differences("cvt_f16_f32", np.array([7], np.uint16), np.array([8], np.uint16)) == 1
    assert {*conformance.ALLOWED} <= {case.launcher for case in cases()}


def test_a_device_is_called_as_the_emulator_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder of `make gpu`, with the emulator's library in place of a device's."""
    monkeypatch.setattr(recorder, "DEVICE", "cpu")
    monkeypatch.setattr(cuda, "wait", lambda: None)
    library = cache(lambda source: ctypes.CDLL(str(conformance.emulated(source).path)))
    monkeypatch.setattr(recorder, "on_device", library)
    chosen = some("run_product", "run_registers", "run_votes", "mad_wide_u32", "cvt_f16_f32")
    path = tmp_path / "device.npz"
    conformance.record(path, recorder.call, {"device": "none"}, chosen)
    assert replay(path, emulator) == [] and len(read(path)[1]) == len(chosen)

    refuses = {"add_s32": lambda *_: 700}
    monkeypatch.setattr(recorder, "on_device", lambda _: refuses)
    with pytest.raises(RuntimeError, match="instructions add_s32: cudaError 700"):
        conformance.record(path, recorder.call, {}, some("add_s32"))
