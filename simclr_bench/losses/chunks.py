"""What the chunked implementations share: how much to hold at once."""

import torch

CHUNK_ELEMENTS = {"cpu": 2**18, "cuda": 2**24}  # of a chunk of logits: 1 MiB and 64 MiB in float32


def rows_per_chunk(rows: int, columns: int, device: torch.device) -> int:
    """How many rows of logits to hold at once; never all of them when there are four or more."""
    elements = CHUNK_ELEMENTS.get(device.type, CHUNK_ELEMENTS["cpu"])
    return max(1, min(elements // columns, -(-rows // 4)))
