"""A library of its own for each test, and stand-ins for the network and for TensorFlow."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from simclr_bench.networks.resnet import ResNet
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage import download
from simclr_bench.storage.download import Downloaded
from simclr_bench.storage.files import file_sha256
from simclr_bench.weights import install
from simclr_bench.weights.catalog import WEIGHTS
from simclr_bench.weights.file import State
from simclr_bench.weights.tensorflow import convert
from simclr_bench.weights.tensorflow.convert import Converted, find_checkpoint
from tests.weights.invented import SMALL, encoder_state, heads, resnet

NAME = "simclrv2/finetuned_1pct/r50_1x_sk0"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    shutil.rmtree(tmp_path)  # a gigabyte in all, which pytest would keep for three runs


@pytest.fixture(scope="session")
def network() -> ResNet:
    return resnet()


@dataclass
class Publisher:
    """Stands in for Google: a server with two files, and a TensorFlow that reads them.

    Attributes:
        state: What the checkpoint holds.
        step: Its global step.
        redirected: Where the server sends who asks, or "".
        downloads: The files that were fetched.
    """

    state: State
    step: int = 751
    redirected: str = ""
    downloads: list[str] = field(default_factory=list)

    def download(
        self,
        urls: Sequence[str],
        target: Path,
        *,
        sha256: str | None,
        size: int | None,
        advance: Callable[[int], None],
        offline: bool,
    ) -> Downloaded:
        data = urls[0].encode()
        if not target.exists():
            assert not offline, "the network is forbidden"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            self.downloads.append(target.name)
            final_url: str | None = self.redirected or urls[0]
        else:
            final_url = None
        found = file_sha256(target)
        assert sha256 in (None, found)
        advance(len(data))
        return Downloaded(
            path=target, url=urls[0], final_url=final_url, sha256=found, bytes=len(data)
        )

    def convert(
        self, prefix: Path, shape: ResNetShape | None = None, *, python: Path | None = None
    ) -> Converted:
        assert shape in (None, SMALL)
        _, files = find_checkpoint(prefix)
        return Converted(
            state=self.state,
            shape=SMALL,
            global_step=self.step,
            files={file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
            dropped={"slots of the optimizer": 3},
            tensorflow="2.0",
        )


@pytest.fixture
def publisher(cache: Path, network: ResNet, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """Published weights of a small network, under the name of real ones."""
    publisher = Publisher(state=encoder_state(network) | heads(SMALL.features))
    monkeypatch.setattr(download, "download", publisher.download)
    monkeypatch.setattr(convert, "convert_checkpoint", publisher.convert)
    monkeypatch.setattr(install, "require_tensorflow", lambda python: None)
    entry: Any = replace(WEIGHTS[NAME], shape=SMALL)
    monkeypatch.setitem(WEIGHTS, NAME, entry)
    return publisher
