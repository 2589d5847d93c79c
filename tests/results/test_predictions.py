"""Arrays to bytes and back: equal arrays are equal files, whenever and wherever they are made."""

import io
import time
import zipfile

import numpy as np
import pytest

from simclr_bench.results.predictions import decode_arrays, encode_arrays

ARRAYS: dict[str, np.ndarray] = {
    "predicted": np.array([[3, 0, 255], [1, 2, 4]], np.uint8),
    "label": np.array([], np.int64),
    "loss": np.array([0.1 + 0.2, -0.0, 1e-300, np.inf]),
    "epochs": np.array(100, np.uint16),
}


def test_arrays_come_back_to_the_bit() -> None:
    back = decode_arrays(encode_arrays(ARRAYS))
    assert back.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()


def test_numpy_reads_the_file_without_us() -> None:
    with np.load(io.BytesIO(encode_arrays(ARRAYS))) as archive:
        assert archive["predicted"].tolist() == [[3, 0, 255], [1, 2, 4]]


def test_the_clock_is_not_in_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = encode_arrays(ARRAYS)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    assert encode_arrays(ARRAYS) == now
    with zipfile.ZipFile(io.BytesIO(now)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_order_layout_and_byte_order_are_not_in_the_bytes() -> None:
    other: dict[str, np.ndarray] = {
        name: np.asfortranarray(array) if array.ndim else array
        for name, array in reversed(ARRAYS.items())
    }
    other["predicted"] = np.repeat(ARRAYS["predicted"], 2, axis=1)[:, ::2]
    other["loss"] = ARRAYS["loss"].astype(">f8")
    assert encode_arrays(other) == encode_arrays(ARRAYS)


@pytest.mark.parametrize(
    "changed",
    [
        {"predicted": ARRAYS["predicted"].astype(np.uint16)},
        {"predicted": ARRAYS["predicted"].reshape(3, 2)},
        {"loss": np.array([0.1 + 0.2, 0.0, 1e-300, np.inf])},
        {"label": np.array([0])},
        {"more": np.array([0])},
    ],
)
def test_type_shape_value_and_name_are_in_the_bytes(changed: dict[str, np.ndarray]) -> None:
    assert encode_arrays({**ARRAYS, **changed}) != encode_arrays(ARRAYS)


def test_objects_are_refused_both_ways() -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        encode_arrays({"x": np.array([print, None])})
    pickled = io.BytesIO()
    np.savez(pickled, x=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        decode_arrays(pickled.getvalue())
