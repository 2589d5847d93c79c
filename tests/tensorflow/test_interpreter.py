"""The environment holds the TensorFlow that the tests were written against."""

from pathlib import Path

import pytest

from tests.tensorflow.interpreter import run_program


def test_it_is_the_pinned_version(tmp_path: Path) -> None:
    assert run_program("version", tmp_path, {})["version"] == "2.21.0"


def test_what_fails_there_fails_here(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"absent\.py ended with 2"):
        run_program("absent", tmp_path, {})
