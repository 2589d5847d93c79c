"""Where torchvision keeps what it downloads. Nothing here imports torch."""

import os
from pathlib import Path


def torch_hub_file(name: str) -> Path:
    """The path that a file has in torch's own cache, there or not.

    Source: torch 2.11, torch/hub.py, get_dir and load_state_dict_from_url.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(home).expanduser() / "hub" / "checkpoints" / name
