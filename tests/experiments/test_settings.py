"""Settings: precedence, origins, every kind of value, every bad input in one line."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from simclr_bench.errors import UsageError
from simclr_bench.experiments.settings import FLAGS, Resolved, Settings, explain, resolve, tree
from simclr_bench.experiments.settings.paper import STATED, TABLES_OF
from simclr_bench.experiments.settings.tree import KINDS, settings_of, values_of
from simclr_bench.paper.tables import TABLES


def resolved(
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, str] | None = None,
) -> Resolved:
    return resolve(config, environ or {}, assignments, flags or {})


def assigned(key: str, text: str) -> Any:
    return values_of(resolved(assignments=[f"{key}={text}"]).settings)[key]


def from_toml(tmp_path: Path, text: str) -> Resolved:
    return resolved(written(tmp_path, text))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_said_is_built_in_and_leaves_the_paper_alone() -> None:
    nothing = resolved()
    assert nothing.settings == Settings()
    assert set(nothing.origins.values()) == {"built in"} and list(nothing.origins) == list(KINDS)
    assert nothing.settings.run.seeds == range(8) and nothing.settings.verdict.margin == 0.05
    assert nothing.settings.probe.changes == {} == nothing.settings.distillation.changes
    assert nothing.settings.probe.single_pass is False


def test_each_source_beats_the_weaker_ones(tmp_path: Path) -> None:
    config = written(tmp_path, "[probe]\niterations = 1\nmomentum = 0.1\nweight_decay = 1\n")
    environ = {"SIMCLR_BENCH_PROBE_ITERATIONS": "2", "SIMCLR_BENCH_PROBE_MOMENTUM": "0.2"}
    found = resolved(config, environ, ["probe.iterations=3"], {"--seeds": "2:5"})
    probe = found.settings.probe
    assert probe.changes == {"iterations": 3, "momentum": 0.2, "weight_decay": 1.0}
    assert isinstance(probe.weight_decay, float)
    assert found.settings.run.seeds == range(2, 5)
    assert {key: origin for key, origin in found.origins.items() if origin != "built in"} == {
        "probe.iterations": "--set",
        "probe.momentum": "SIMCLR_BENCH_PROBE_MOMENTUM",
        "probe.weight_decay": str(config),
        "run.seeds": "--seeds",
    }


def test_a_flag_beats_the_environment() -> None:
    environ = {"SIMCLR_BENCH_RUN_JOBS": "4"}
    found = resolved(environ=environ, flags={"--jobs": "2"})
    assert found.settings.run.jobs == 2 and found.origins["run.jobs"] == "--jobs"


def test_the_last_assignment_counts() -> None:
    found = resolved(assignments=["run.jobs=2", "run.jobs=3"])
    assert found.settings.run.jobs == 3


def test_a_value_equal_to_the_default_still_has_its_origin() -> None:
    assert resolved(assignments=["run.seeds=8"]).origins["run.seeds"] == "--set"


# Key, text, value; the text in TOML, where it is written differently.
GOOD = [
    ("run.seeds", "16", range(16), None),
    ("run.seeds", "2:4", range(2, 4), '"2:4"'),
    ("run.jobs", "3", 3, None),
    ("run.workers", "0", 0, None),
    ("run.rows", "None, Flipping + Cropping", ("None", "Flipping + Cropping"), '"None,Flipping '
     '+ Cropping"'),
    ("run.rows", "dtd,dtd", ("dtd",), '["dtd", "dtd"]'),
    ("run.batch_size", "64", (64,), None),
    ("run.batch_size", "64,32,64", (64, 32), "[64, 32, 64]"),
    ("probe.iterations", "60", 60, None),
    ("probe.learning_rate", "1e-3", 0.001, None),
    ("probe.learning_rate", "1", 1.0, None),
    ("probe.momentum", "0", 0.0, None),
    ("probe.weight_decay", "0", 0.0, None),
    ("probe.framing", "whole", "whole", '"whole"'),
    ("probe.color_strength", "1.0", 1.0, None),
    ("probe.single_pass", "true", True, None),
    ("distillation.epochs", "3", 3, None),
    ("distillation.batch_size", "32", 32, None),
    ("distillation.temperature", "4", 4.0, None),
    ("distillation.optimizer", "lars", "lars", '"lars"'),
    ("distillation.widths", "512,512", (512, 512), "[512, 512]"),
    ("distillation.normalization", "simclr", "simclr", '"simclr"'),
    ("distillation.views", "1", 1, None),
    ("run.profile", "paper", "paper", '"paper"'),
    ("run.device", "cuda", "cuda", '"cuda"'),
    ("network.weights", "random:7", "random:7", '"random:7"'),
    ("network.weights", "w/e.safetensors", "w/e.safetensors", '"w/e.safetensors"'),
    ("network.vgg16", "torchvision/vgg16", "torchvision/vgg16", '"torchvision/vgg16"'),
    ("network.image_size", "96", 96, None),
    ("network.resize", "half_pixel", "half_pixel", '"half_pixel"'),
    ("network.precision", "bfloat16", "bfloat16", '"bfloat16"'),
    ("verdict.margin", "0.1", 0.1, None),
]  # fmt: skip


@pytest.mark.parametrize(("key", "text", "value", "toml"), GOOD)
def test_text_and_toml_give_the_same_value(
    tmp_path: Path, key: str, text: str, value: Any, toml: str | None
) -> None:
    section, name = key.split(".")
    variable = f"SIMCLR_BENCH_{section.upper()}_{name.upper()}"
    from_text = assigned(key, text)
    assert from_text == value and type(from_text) is type(value)
    assert values_of(resolved(environ={variable: text}).settings)[key] == value
    found = from_toml(tmp_path, f"[{section}]\n{name} = {toml or text}\n").settings
    assert values_of(found)[key] == value and type(values_of(found)[key]) is type(value)


BAD_TEXTS = [
    ("run.seeds", ["1", "3:1", "x", "", "0:8:2", "-1:3", "0:1001", "2147483647:2147483649"]),
    ("run.jobs", ["0", "-1", "1.5", "", "2000", "9" * 5000]),
    ("run.workers", ["-1", "65"]),
    ("run.rows", ["", "a,,b", " "]),
    ("run.batch_size", ["0", "64,", "64;32", ""]),
    ("probe.iterations", ["0", "1e3", str(2**31)]),
    ("probe.learning_rate", ["0", "-0.1", "nan", "inf", "1e400", "fast"]),
    ("probe.momentum", ["1", "-0.1"]),
    ("probe.weight_decay", ["-1e-9"]),
    ("probe.framing", ["crop", "Center", ""]),
    ("probe.color_strength", ["1.01", "-0.1"]),
    ("probe.single_pass", ["1", "yes", ""]),
    ("distillation.temperature", ["0"]),
    ("distillation.optimizer", ["adam"]),
    ("distillation.widths", ["512x512", "0", "65537"]),
    ("distillation.views", ["0"]),
    ("run.profile", ["folder", "Paper", ""]),
    ("run.device", ["gpu", "cuda:1"]),
    ("network.weights", ["", "random:", "random:-1", "random:x"]),
    ("network.resnet50", ["random:0"]),  # a base nobody trained is no student's
    ("network.image_size", ["0", "31", "4096"]),
    ("network.resize", ["antialiased", "bicubic"]),
    ("network.precision", ["float16"]),
    ("verdict.margin", ["0", "1", "5"]),
]


@pytest.mark.parametrize(
    ("key", "text"), [(key, text) for key, texts in BAD_TEXTS for text in texts]
)
def test_a_bad_text_names_key_origin_and_what_is_allowed(key: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        assigned(key, text)
    line = str(caught.value)
    assert line.startswith(f"--set: {key} must be {KINDS[key].allowed}, got {text[:40]!r}"[:-1])
    assert "\n" not in line and len(line) < 250


BAD_TOML = [
    ("run", 'jobs = "2"', "run.jobs"),
    ("run", "jobs = true", "run.jobs"),
    ("run", "seeds = true", "run.seeds"),
    ("run", "seeds = 8.0", "run.seeds"),
    ("run", "seeds = [0, 1]", "run.seeds"),
    ("run", "rows = [1]", "run.rows"),
    ("run", "rows = []", "run.rows"),
    ("run", "batch_size = []", "run.batch_size"),
    ("run", "batch_size = [64.0]", "run.batch_size"),
    ("run", "batch_size = {a = 1}", "run.batch_size"),
    ("probe", "single_pass = 1", "probe.single_pass"),
    ("probe", 'learning_rate = "0.1"', "probe.learning_rate"),
    ("probe", "learning_rate = true", "probe.learning_rate"),
    ("probe", "learning_rate = nan", "probe.learning_rate"),
    ("probe", "learning_rate = 2020-01-01", "probe.learning_rate"),
    ("probe", f"learning_rate = 0x{'f' * 5000}", "probe.learning_rate"),
    ("probe", "framing = 3", "probe.framing"),
    ("probe", "framing = {}", "probe.framing"),
    ("distillation", "widths = [[512]]", "distillation.widths"),
]


@pytest.mark.parametrize(("section", "line", "key"), BAD_TOML)
def test_a_bad_toml_value_names_key_file_and_what_is_allowed(
    tmp_path: Path, section: str, line: str, key: str
) -> None:
    with pytest.raises(UsageError) as caught:
        from_toml(tmp_path, f"[{section}]\n{line}\n")
    start = f"{tmp_path / 'settings.toml'}: {key} must be {KINDS[key].allowed}, got "
    assert str(caught.value).startswith(start) and len(str(caught.value)) < len(start) + 80


@pytest.mark.parametrize(
    ("text", "needles"),
    [
        ("[run]\njobs = 2\nseeds 3\n", ["is not TOML", "line 3"]),
        ("[run]\n[run]\n", ["is not TOML", "line 2"]),
        ("jobs = 2\n", ["'jobs' stands in no section", "[run]", "[verdict]"]),
        ("[runs]\njobs = 2\n", ["no section 'runs'", "did you mean run?"]),
        ("[probe]\niteration = 2\n", ["no setting 'probe.iteration'", "probe.iterations?"]),
        ("[run]\niterations = 2\n", ["no setting 'run.iterations'", "mean probe.iterations?"]),
        ('[run]\n"a.b" = 2\n', ["no setting 'run.a.b'"]),
        ("[[run]]\njobs = 2\n", ["'run' stands in no section"]),
        (f"[run]\nrows = {'[' * 5000}\n", ["is not TOML"]),
        (f"[run]\njobs = {'9' * 5000}\n", ["is not TOML"]),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(
    tmp_path: Path, text: str, needles: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        from_toml(tmp_path, text)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'settings.toml'}: ") and "\n" not in line
    for needle in needles:
        assert needle in line


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, reason in [
        (tmp_path / "missing.toml", "No such file"),
        (tmp_path, "Is a directory"),
    ]:
        with pytest.raises(UsageError, match=reason) as caught:
            resolved(path)
        assert str(path) in str(caught.value)
    (tmp_path / "latin.toml").write_bytes(b'[run]\nrows = "\xe9"\n')
    with pytest.raises(UsageError, match="is not UTF-8"):
        resolved(tmp_path / "latin.toml")


def test_variables_of_no_section_are_somebody_elses() -> None:
    environ = {
        "SIMCLR_BENCH_CACHE": "/x",
        "SIMCLR_BENCH_CUDA": "1",
        "SIMCLR_BENCH_CPU_CAPABILITY": "avx2",
        "SIMCLR_BENCH_ANYTHING": "1",
        "SIMCLR_BENCH_RUN": "1",
        "SIMCLR_BENCH_RUNNER_JOBS": "1",
        "simclr_bench_run_jobs": "7",
        "RUN_JOBS": "7",
    }
    assert resolved(environ=environ) == resolved()


def test_an_unknown_variable_of_a_section_is_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        resolved(environ={"SIMCLR_BENCH_PROBE_ITERATION": "5"})
    assert "did you mean SIMCLR_BENCH_PROBE_ITERATIONS?" in str(caught.value)
    assert str(caught.value).startswith("SIMCLR_BENCH_PROBE_ITERATION: ")


@pytest.mark.parametrize(
    ("assignment", "needles"),
    [
        ("probe.iterations", ["--set: wanted section.key=value, got 'probe.iterations'"]),
        ("iterations=3", ["no setting 'iterations'", "probe.iterations?", "section.key"]),
        ("prob.iterations=3", ["no setting 'prob.iterations'", "mean probe.iterations?"]),
        ("probe.=3", ["no setting 'probe.'"]),
        ("=3", ["no setting ''"]),
        ("", ["wanted section.key=value"]),
    ],
)
def test_a_bad_assignment(assignment: str, needles: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(assignments=[assignment])
    for needle in needles:
        assert needle in str(caught.value)


def test_a_key_given_by_set_and_by_its_flag_is_refused() -> None:
    with pytest.raises(UsageError, match=r"run\.seeds is given by --set and by --seeds"):
        resolved(assignments=["run.seeds=4"], flags={"--seeds": "8"})


def test_every_flag_is_of_a_key() -> None:
    assert set(FLAGS.values()) <= set(KINDS)


def test_settings_and_values_are_one_to_one() -> None:
    values = values_of(resolved(assignments=["probe.framing=whole"]).settings)
    assert values_of(settings_of(values)) == values


def test_jobs_are_the_usable_cores_at_most_8(monkeypatch: pytest.MonkeyPatch) -> None:
    for usable, jobs in [(1, 1), (3, 3), (64, 8)]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=usable: set(range(n)))
        assert Settings().run.jobs == jobs
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert tree.usable_cores() == 1


def test_what_was_not_set_is_explained_by_the_paper() -> None:
    lines = {line.key: line for line in explain(resolved(assignments=["probe.iterations=5"]))}
    assert list(lines) == list(KINDS)
    assert (lines["probe.iterations"].value, lines["probe.iterations"].origin) == (5, "--set")
    assert lines["probe.learning_rate"].value == 0.1
    assert lines["probe.learning_rate"].origin == "section 6.3.1 of the paper"
    assert lines["probe.momentum"].value == 0.9
    assert lines["probe.momentum"].origin == f"chosen: {TABLES['1'].choices['momentum']}"
    assert lines["distillation.epochs"].value == 100
    assert lines["distillation.epochs"].origin == "table 3 of the paper"
    assert lines["distillation.batch_size"].origin.startswith("chosen: stated nowhere")
    assert lines["run.seeds"].value == "0:8" and lines["run.seeds"].origin == "built in"
    assert lines["run.rows"].value is None
    assert lines["network.weights"].value == "simclrv2/finetuned_1pct/r50_1x_sk0"
    assert "simclrv2/finetuned_100pct" in lines["network.weights"].origin  # the other choice
    for key, line in lines.items():
        assert not key.startswith("network.") or line.origin.startswith("chosen: ")
    changed = explain(resolved(assignments=["network.resize=half_pixel"]))
    assert {line.key: line for line in changed}["network.resize"].origin == "--set"


def test_what_the_paper_states_is_known_and_is_not_also_a_choice() -> None:
    stated = {
        "probe": {"iterations", "learning_rate", "weight_decay"},
        "distillation": {name for row in TABLES["3"].rows.values() for name in row},
    }
    lines = explain(resolved())
    for section, names in stated.items():
        assert {line.key for line in lines if line.origin == STATED[section]} == {
            f"{section}.{name}" for name in names
        }
        tables = [TABLES[number] for number in TABLES_OF[section]]
        assert not names & set(tables[0].choices)
        # One value is printed for all of them.
        assert all(
            getattr(table.base, name) == getattr(tables[0].base, name)
            for table in tables
            for name in names
        )
