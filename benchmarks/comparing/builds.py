"""The two builds: the working tree, and a base that is another folder or a revision built once.

A revision is exported with `git archive` to build/compare/ and built there, which neither the index
nor the list of worktrees knows of. The folder gets its name only when it is whole.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from simclr_bench.errors import DataError, JobError, UsageError
from simclr_bench.storage.locks import locked

BUILD = [sys.executable, "setup.py", "build_ext", "--inplace"]


@dataclass(frozen=True)
class Build:
    """A folder with a package and its extension.

    Attributes:
        name: What the user calls it.
        folder: The folder that holds `simclr_bench`.
        commit: In full, where there is one.
        dirty: Whether files differ from the commit.
    """

    name: str
    folder: Path
    commit: str | None
    dirty: bool | None

    def __str__(self) -> str:
        commit = f" ({self.commit[:12]}{', modified' if self.dirty else ''})" if self.commit else ""
        return f"{self.name}{commit}"


def working_tree(root: Path, name: str = "the working tree") -> Build:
    """The build of a checkout, as it lies there.

    Raises:
        DataError: Its extension is missing, or older than its sources.
    """
    if extension_of(root) is None:
        raise DataError(f"{root} has no compiled extension: run `make build` there")
    dirty = _git(root, "status", "--porcelain")
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    return Build(name, root, commit, None if dirty is None else bool(dirty))


def base_of(text: str, root: Path, say: Callable[[str], None]) -> Build:
    """The build that a user means: a folder with a checkout, or a revision of this one.

    Args:
        text: The folder or revision.
        root: This checkout.
        say: Told what takes long.

    Raises:
        UsageError: It is neither.
        DataError: The folder's extension is missing.
        JobError: The revision cannot be built.
    """
    folder = Path(text).expanduser()
    if (folder / "simclr_bench" / "__init__.py").is_file():
        return working_tree(folder.resolve(), text)
    commit = _git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}"
    )
    if commit is None:
        raise UsageError(
            f"{text!r} is neither a revision of {root} nor a folder with a checkout: name one"
            " (`git log` lists revisions)"
        )
    return Build(text, _built(commit, text, root, say), commit, dirty=False)


def _built(commit: str, name: str, root: Path, say: Callable[[str], None]) -> Path:
    """The folder of a commit's build, made where there is none."""
    # An extension only loads beside the torch that it was built against.
    whole = root / "build" / "compare" / f"{commit}-torch{version('torch')}"
    half, log = whole.with_name(f"{whole.name}.half"), whole.with_name(f"{whole.name}.log")
    whole.parent.mkdir(parents=True, exist_ok=True)
    with locked(whole.with_name(f"{whole.name}.lock"), remedy="remove the folder it is in"):
        if whole.is_dir():
            return whole
        shutil.rmtree(half, ignore_errors=True)  # of a build that was killed
        half.mkdir()
        _export(commit, root, half)
        say(f"building {name} ({commit[:12]}), once, in a minute or more; {log} has the details")
        with log.open("w") as output:
            # Builds are compared on a CPU; with its CUDA kernels one takes many minutes.
            environment = {**os.environ, "SIMCLR_BENCH_CUDA": "0"}
            code = subprocess.run(
                BUILD, cwd=half, env=environment, stdout=output, stderr=subprocess.STDOUT
            ).returncode
        if code or extension_of(half) is None:
            raise JobError(f"{name} ({commit[:12]}) does not build; {log} says why")
        half.rename(whole)
    return whole


def _export(commit: str, root: Path, folder: Path) -> None:
    archive = subprocess.Popen(
        ["git", "-C", str(root), "archive", "--format=tar", commit], stdout=subprocess.PIPE
    )
    unpacked = subprocess.run(["tar", "-x", "-C", str(folder)], stdin=archive.stdout)
    assert archive.stdout is not None
    archive.stdout.close()
    if archive.wait() or unpacked.returncode:
        raise JobError(f"{commit[:12]} could not be exported to {folder}")


def extension_of(folder: Path) -> Path | None:
    """The compiled extension of a checkout."""
    return next(iter(sorted((folder / "simclr_bench").glob("_C*.so"))), None)


def check_fresh(build: Build, source_hash: str | None) -> None:
    """Raises DataError if the extension was built from other sources than lie beside it."""
    if source_hash is not None and source_hash != hash_of_sources(build.folder):
        raise DataError(
            f"the extension of {build.name} is older than its sources: run `make build` in"
            f" {build.folder}"
        )


def hash_of_sources(folder: Path) -> str:
    """What setup.py, which cannot be imported without building, writes into the extension."""
    digest = hashlib.sha256()
    for path in sorted((folder / "csrc").rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix().encode()
            digest.update(b"%d %s %d " % (len(name), name, path.stat().st_size))
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where it refuses, or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
