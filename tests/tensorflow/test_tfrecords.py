"""TFRecords that TensorFlow wrote, and images as it decodes them."""

from pathlib import Path

import numpy as np
import pytest

from simclr_bench.data.decode import decode_bytes
from simclr_bench.datasets.tfrecords import parse_example, read_records
from tests.datasets.pictures import jpeg, png, rotated_by_exif, sixteen_bits
from tests.tensorflow.interpreter import run_program

FILES = {
    "rgb": jpeg((301, 200), 1),
    "exif_rotated": rotated_by_exif(),
    "gray": jpeg((40, 50), 2, "L"),
    "one_pixel": jpeg((1, 1), 3),
    "png": png((33, 44), 4),
    "palette": png((33, 44), 5, "P"),
    "gray_png": png((33, 44), 6, "L"),
    "alpha": png((33, 44), 7, "RGBA"),
    "large": jpeg((900, 700), 8),
    "cmyk": jpeg((31, 40), 9, "CMYK"),
    "progressive": jpeg((31, 40), 10, progressive=True),
    "sixteen_bits": sixteen_bits(),
}
LABELS = [0, 1, 46, -1, 300, 2**40, 7, 8, 9, 10, 11, 12]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    directory = tmp_path_factory.mktemp("tfrecords")
    target = directory / "dtd-train.tfrecord-00000-of-00001"
    inputs = {
        f"image_{number}": np.frombuffer(file, dtype=np.uint8)
        for number, file in enumerate(FILES.values())
    }
    pixels = run_program(
        "write_tfrecords", directory, inputs | {"labels": np.array(LABELS)}, str(target)
    )
    return target, pixels


def test_what_tensorflow_writes_is_read(written: tuple[Path, dict[str, np.ndarray]]) -> None:
    found = [parse_example(record) for record in read_records(written[0])]
    assert found == [
        {"image": [file], "label": [label], "file_name": [f"banded/{number}.jpg".encode()]}
        for number, (file, label) in enumerate(zip(FILES.values(), LABELS, strict=True))
    ]


@pytest.mark.parametrize("name", FILES)
def test_images_are_decoded_as_tensorflow_does(
    written: tuple[Path, dict[str, np.ndarray]], name: str
) -> None:
    pixels = decode_bytes(FILES[name], name).numpy().transpose(1, 2, 0)
    fast, accurate = (
        written[1][f"{how}_{list(FILES).index(name)}"] for how in ("fast", "accurate")
    )
    assert np.array_equal(pixels, accurate)
    # What TensorFlow does unless it is asked: about one level off in a JPEG, nothing elsewhere.
    off = np.abs(pixels.astype(int) - fast)
    assert off.max() <= 5 and off.mean() < 2
    assert (off.max() > 0) == FILES[name].startswith(b"\xff\xd8")
