"""What a user may mean by a base, and that no half of a build is ever taken for a whole one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.comparing import builds
from benchmarks.comparing.builds import base_of, check_fresh, hash_of_sources, working_tree
from simclr_bench.errors import DataError, JobError, UsageError

SETUP = """\
import pathlib, sys
assert sys.argv[1:] == ["build_ext", "--inplace"]
counter = pathlib.Path({counter!r})
counter.write_text(counter.read_text() + "built ")
print("compiling")
{last}
"""
MAKES = "pathlib.Path('simclr_bench/_C.so').write_text('')"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of one commit, whose setup.py notes each build in a file beside it."""
    root = tmp_path / "checkout"
    (root / "simclr_bench").mkdir(parents=True)
    (root / "csrc").mkdir()
    (root / "simclr_bench" / "__init__.py").write_text("VALUE = 1\n")
    (root / "csrc" / "a.cpp").write_text("int a;\n")
    (root / ".gitignore").write_text("/build/\n*.so\n")
    (tmp_path / "count").write_text("")
    git(root, "init", "--quiet", "--initial-branch=trunk")
    commit(root, MAKES)
    return root


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(root: Path, last: str) -> str:
    counter = str(root.parent / "count")
    (root / "setup.py").write_text(SETUP.format(counter=counter, last=last))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "x")
    return git(root, "rev-parse", "HEAD")


def silent(text: str) -> None:
    """Nobody listens."""


def built(root: Path) -> int:
    return len((root.parent / "count").read_text().split())


def test_a_revision_is_built_once_and_leaves_no_trace_in_the_repository(checkout: Path) -> None:
    first = git(checkout, "rev-parse", "HEAD")
    (checkout / "simclr_bench" / "__init__.py").write_text("VALUE = 2\n")
    commit(checkout, MAKES)
    before = git(checkout, "status", "--porcelain"), git(checkout, "for-each-ref")
    said: list[str] = []
    for name in ("HEAD~1", first[:10], "trunk~1"):
        found = base_of(name, checkout, said.append)
        assert (found.name, found.commit, found.dirty) == (name, first, False)
        assert (found.folder / "simclr_bench" / "__init__.py").read_text() == "VALUE = 1\n"
        assert builds.extension_of(found.folder) is not None
    assert built(checkout) == 1 and len(said) == 1 and "building HEAD~1" in said[0]
    assert (git(checkout, "status", "--porcelain"), git(checkout, "for-each-ref")) == before
    assert len(git(checkout, "worktree", "list").splitlines()) == 1
    assert base_of("HEAD", checkout, silent).folder != found.folder and built(checkout) == 2


def test_a_build_that_fails_names_its_log_and_is_tried_again(checkout: Path) -> None:
    commit(checkout, "raise SystemExit('no compiler')")
    for times in (1, 2):
        with pytest.raises(JobError, match=r"HEAD \(.{12}\) does not build; .*\.log says") as error:
            base_of("HEAD", checkout, silent)
        log = Path(str(error.value).split("; ")[1].removesuffix(" says why"))
        assert log.read_text().splitlines() == ["compiling", "no compiler"]
        assert built(checkout) == times


def test_a_build_without_an_extension_has_failed(checkout: Path) -> None:
    commit(checkout, "")
    with pytest.raises(JobError, match="does not build"):
        base_of("HEAD", checkout, silent)


def test_a_build_that_was_killed_is_not_taken_for_a_whole_one(checkout: Path) -> None:
    whole = base_of("HEAD", checkout, silent).folder
    half = whole.with_name(f"{whole.name}.half")
    whole.rename(half)
    (half / "simclr_bench" / "left_over.py").write_text("")
    found = base_of("HEAD", checkout, silent).folder
    assert found == whole and built(checkout) == 2
    assert not (found / "simclr_bench" / "left_over.py").exists() and not half.exists()


def test_the_cuda_kernels_are_left_out(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCLR_BENCH_CUDA", "1")
    commit(checkout, f"import os; assert os.environ['SIMCLR_BENCH_CUDA'] == '0'\n{MAKES}")
    base_of("HEAD", checkout, silent)


def test_a_folder_is_taken_as_it_lies_there(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(checkout, other)
    with pytest.raises(DataError, match=r"other has no compiled extension: run `make build` there"):
        base_of(str(other), checkout, silent)
    (other / "simclr_bench" / "_C.so").write_text("")
    (other / "simclr_bench" / "new.py").write_text("")
    found = base_of(str(other), checkout, silent)
    assert (found.folder, found.name, found.dirty) == (other, str(other), True)
    assert found.commit == git(checkout, "rev-parse", "HEAD") and built(checkout) == 0
    assert str(found) == f"{other} ({found.commit[:12]}, modified)"


def test_a_folder_that_git_does_not_know_has_no_commit(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    (checkout / "simclr_bench" / "_C.so").write_text("")
    found = working_tree(checkout)
    assert (found.commit, found.dirty, str(found)) == (None, None, "the working tree")


@pytest.mark.parametrize("text", ["no-such-branch", "--help", "HEAD:setup.py", ""])
def test_what_is_neither_is_a_usage_error(
    checkout: Path, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"neither a revision of .* nor a folder with a checkout"):
        base_of(text, checkout, silent)


def test_an_extension_older_than_its_sources_is_refused(checkout: Path) -> None:
    (checkout / "simclr_bench" / "_C.so").write_text("")
    build = working_tree(checkout)
    check_fresh(build, hash_of_sources(checkout))
    check_fresh(build, None)
    old = hash_of_sources(checkout)
    (checkout / "csrc" / "a.cpp").write_text("int b;\n")
    with pytest.raises(DataError, match="older than its sources: run `make build`"):
        check_fresh(build, old)


def test_the_hash_of_sources_is_what_setup_writes_into_the_extension() -> None:
    root = Path(__file__).parents[3]
    text = (root / "setup.py").read_text()
    start = text.index("def source_hash")
    body = text[start : text.index("\n\n\n", start)]
    names = {"hashlib": __import__("hashlib"), "ROOT": root}
    exec(body, names)
    assert hash_of_sources(root) == names["source_hash"]()


def test_the_build_is_this_interpreter_s() -> None:
    assert builds.BUILD[0] == sys.executable
