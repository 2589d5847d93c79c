"""Arrays as the bytes of an .npz file: equal arrays give equal bytes."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

# The earliest time that a zip archive can hold; the clock must not reach the bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def encode_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A compressed .npz that depends on names, types, shapes and values alone.

    Raises:
        ValueError: An array holds Python objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name])
            array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = UNIX
            archive.writestr(member, content.getvalue(), compresslevel=6)
    return buffer.getvalue()


def decode_arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file.

    Raises:
        Exception: Of whatever type zipfile, zlib and numpy raise for bytes that are none.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
