"""CRC-32C (Castagnoli), the checksum of TFRecord files: many blocks of a message at a time.

A CRC that starts from zero is linear: crc(a + b) = shift(crc(a), len(b)) ^ crc(b). So all blocks of
a message are summed at once, one 16-bit word of each per step, and neighbours are then joined in
pairs, each time with the table that shifts by their length.

Source: RFC 3720, appendix B.4 (polynomial 0x1EDC6F41, reflected, and test vectors).
"""

from functools import lru_cache

import numpy as np

POLYNOMIAL = 0x82F63B78  # reflected
BLOCK = 128

# Up to here a plain loop over bytes is faster.
SHORT = 2048


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes."""
    if len(data) <= SHORT:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = _BYTE_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
        return crc ^ 0xFFFFFFFF
    # In front of a message zeros change nothing, so that one of any length becomes whole blocks.
    # The start value of all ones is the same as the message's first 32 bits flipped.
    blocks = -(-len(data) // BLOCK)
    message = np.zeros(blocks * BLOCK, dtype=np.uint8)
    offset = len(message) - len(data)
    message[offset:] = np.frombuffer(data, dtype=np.uint8)
    message[offset : offset + 4] ^= 0xFF
    words = message.view("<u2").reshape(blocks, BLOCK // 2).T.astype(np.uint32, order="C")
    table = _word_table()
    sums = np.zeros(blocks, dtype=np.uint32)
    for word in words:
        sums = table[(sums ^ word) & 0xFFFF] ^ (sums >> np.uint32(16))
    return _joined(sums) ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The form in which TFRecord stores it: rotated by 15 bits, and a constant added.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
    """
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _byte_table() -> list[int]:
    table = list(range(256))
    for _ in range(8):
        table = [value >> 1 ^ (POLYNOMIAL if value & 1 else 0) for value in table]
    return table


_BYTE_TABLE = _byte_table()


def _joined(sums: np.ndarray) -> int:
    """The sum of all blocks in a row, from the sum of each."""
    level = 0
    while len(sums) > 1:
        if len(sums) % 2:
            sums = np.concatenate([np.zeros(1, dtype=np.uint32), sums])
        sums = _apply(_shift_table(level), sums[0::2]) ^ sums[1::2]
        level += 1
    return int(sums[0])


@lru_cache(maxsize=1)
def _word_table() -> np.ndarray:
    """What 16 zero bits behind it make of each 16-bit word."""
    table: np.ndarray = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(16):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    return table


@lru_cache(maxsize=64)
def _shift_table(level: int) -> np.ndarray:
    """What BLOCK * 2^level zero bytes make of each byte of a sum. [4, 256]"""
    units = np.arange(256, dtype=np.uint32)
    if level:
        half = _shift_table(level - 1)
        return np.stack([_apply(half, row) for row in half])
    sums = np.stack([units << np.uint32(8 * place) for place in range(4)])
    table = _word_table()
    for _ in range(BLOCK // 2):
        sums = table[sums & 0xFFFF] ^ (sums >> np.uint32(16))
    return sums


def _apply(table: np.ndarray, sums: np.ndarray) -> np.ndarray:
    parts = (table[place][sums >> np.uint32(8 * place) & 0xFF] for place in range(4))
    first, second, third, fourth = parts
    shifted: np.ndarray = first ^ second ^ third ^ fourth
    return shifted
