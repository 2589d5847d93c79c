"""Files that one process holds at a time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simclr_bench.errors import DataError, StoreError
from simclr_bench.storage.locks import locked

HOLDER = """
import sys, time
from pathlib import Path
from simclr_bench.storage.locks import locked

with locked(Path(sys.argv[1]), remedy="") as file:
    file.write("me")
    file.flush()
    print("held", flush=True)
    time.sleep(60)
"""


def busy(holder: str) -> StoreError:
    return StoreError(f"busy: {holder}")


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """Another process that holds the file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "lock"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_what_another_process_holds_is_refused_in_its_words_until_it_dies(
    tmp_path: Path, holder: subprocess.Popen
) -> None:
    with (
        pytest.raises(StoreError, match="busy: me"),
        locked(tmp_path / "lock", busy=busy, remedy=""),
    ):
        raise AssertionError
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path / "lock", busy=busy, remedy="") as file:
        assert file.read() == "me"


def test_without_an_error_to_give_it_waits(tmp_path: Path, holder: subprocess.Popen) -> None:
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "lock"], stdout=-1, text=True
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiter.wait(1)
    holder.kill()
    assert waiter.stdout is not None and waiter.stdout.readline() == "held\n"
    waiter.kill()
    waiter.communicate()


def test_a_link_is_not_followed_and_the_remedy_is_said(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, tmp_path / "lock")
    refusal = r"lock: cannot be locked \(.*\); go elsewhere"
    with (
        pytest.raises(DataError, match=refusal),
        locked(tmp_path / "lock", remedy="go elsewhere"),
    ):
        raise AssertionError
    assert victim.read_text() == "precious"
