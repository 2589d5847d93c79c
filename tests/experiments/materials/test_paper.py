"""What the paper profile's jobs are made from: sizes, hashes, origins, and what is missing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from simclr_bench.cli.progress import SilentProgress
from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.datasets.library import Manifest
from simclr_bench.errors import DataError, UsageError
from simclr_bench.experiments.materials import paper, paper_costs
from simclr_bench.experiments.materials.choose import current_inputs
from simclr_bench.experiments.materials.paper import FullSize, PaperMaterials
from simclr_bench.experiments.materials.process_memory import process_memory
from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.planning.plan import TARGETS, Request, plan_reproduction
from simclr_bench.experiments.profiles import profile_of
from simclr_bench.experiments.reproduction import Resources, demand, reproduce
from simclr_bench.experiments.settings.tree import NetworkSettings
from simclr_bench.paper.official import ARCHIVES, obstacles
from simclr_bench.paper.sizes import TEST, TRAINING
from simclr_bench.storage.files import file_sha256
from simclr_bench.weights.file import Provenance, write_weights
from simclr_bench.weights.library import path_of
from tests.experiments.materials.invented_paper import manifest

CHECKPOINT = "simclrv2/finetuned_1pct/r50_1x_sk0"
GOOGLE = f"https://storage.googleapis.com/simclr-checkpoints/{CHECKPOINT}/model.ckpt-751"
TORCHVISION = "https://download.pytorch.org/models/vgg16-397923af.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMCLR_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes data sets look imported."""

    def these(*manifests: Manifest) -> None:
        found = {each.name: each for each in manifests}
        monkeypatch.setattr(paper, "read_manifest", found.get)

    return these


def install(name: str, url: str | None, kind: str = "fetched") -> str:
    """Puts weights of one number into the library; returns their SHA-256."""
    provenance = Provenance(
        name=name,
        shape={"depth": 50},
        normalization="unit",
        origin={"kind": kind, "url": url, "files": {}, "official": url is not None},
        parts=["encoder"],
        versions={},
        notes=[],
    )
    state = {"encoder.conv1.weight": torch.tensor([float(len(name))])}
    return write_weights(path_of(name), state, provenance).sha256


def materials(device: str = "cpu", **network: Any) -> PaperMaterials:
    return PaperMaterials(FullSize(network=NetworkSettings(**network), device=device))


def planned(made: PaperMaterials, *targets: str, **changes: Any) -> Plan:
    request = Request(targets=targets or TARGETS, **{"seeds": (0, 1), **changes})
    return plan_reproduction(request, made.sources())


def test_sizes_are_those_of_the_papers_sets_until_they_are_imported() -> None:
    sets = materials().sources().sets
    assert {name: size.classes for name, size in sets.items()} == {
        "cats_vs_dogs": 2,
        "tf_flowers": 5,
        "dtd": 47,
        "cifar_100": 100,
        "food_101": 101,
    }
    for name in TEST:  # official splits
        assert sets[name].train_images == TRAINING[name]
    assert sets["tf_flowers"].train_images == 2936  # four fifths of 3,670
    assert sets["cats_vs_dogs"].train_images == 18610  # of 23,262, in whole images


def test_sizes_are_those_of_what_was_imported(imported: Callable[..., None]) -> None:
    imported(manifest("dtd", counts={"train": [3] * 47, "heldout": [1] * 47, "validation": [9]}))
    size = materials().sources().sets["dtd"]
    assert (size.classes, size.train_images) == (47, 3 * 47)
    plan = planned(materials(), "table 4")
    (series,) = [
        each
        for each in plan.section("batch size")
        if each.label == "dtd" and each.variant == {"regime": "equal passes", "batch_size": 64}
    ]
    assert series.jobs[0].settings["iterations"] == 3  # of 64, for 141 images


def test_a_job_names_all_that_it_reads(imported: Callable[..., None]) -> None:
    imported(*map(manifest, DATASETS))
    encoder, base = install(CHECKPOINT, GOOGLE), install("torchvision/vgg16", TORCHVISION)
    made = materials()
    plan = planned(made)
    assert not made.missing([job for job in plan.jobs if job.settings.get("student") != "resnet50"])
    for job in plan.jobs:
        wanted = {
            "data": ARCHIVES[job.dataset][0],
            "data_origin": "official archive",
            "pixels": f"pixels of {job.dataset}",
            "encoder": encoder,
            "encoder_origin": GOOGLE,
        }
        network = {
            "weights": CHECKPOINT,
            "image_size": 224,
            "resize": "legacy",
            "precision": "float32",
        }
        if job.settings.get("student") == "vgg16":
            wanted |= {"base": base, "base_origin": TORCHVISION}
            network["vgg16"] = "torchvision/vgg16"
        elif job.kind == "student":
            network["resnet50"] = "torchvision/resnet50-v1"
        assert {k: v for k, v in job.inputs.items() if k != "code"} == wanted
        assert job.settings["network"] == network and job.profile == "paper"
        if job.settings.get("student") != "resnet50":
            assert obstacles(job.profile, job.inputs, job.dataset) == []
        now = current_inputs("paper")(job)
        assert {**now, "code": ""} == {**job.inputs, "code": ""}
    notice = profile_of(planned(made, "table 4")).notice
    assert f"Weights: {CHECKPOINT} ({GOOGLE})." in notice
    assert "dtd (official archive)" in notice and "food_101 (official archive)" in notice


def test_every_table_has_the_jobs_of_the_embedded_profile() -> None:
    plan = planned(materials(), seeds=tuple(range(8)))
    sections = {each.section for each in plan.series}
    assert sections == {
        "table 1",
        "table 2",
        "table 4",
        "encoder check",
        "class count",
        "batch size",
    }
    counts = [s.variant["class_count"] for s in plan.section("class count")]
    assert counts == [2, 5, 10, 20, 47, 100] * 3


@pytest.mark.parametrize(
    ("changes", "origin", "why"),
    [
        (
            {"source": {"kind": "archive", "sha256": "0" * 64, "official": False}},
            "unofficial archive",
            "the data are not the official archive of dtd (unofficial archive)",
        ),
        (
            {
                "source": {"kind": "folder", "sha256": None, "official": False},
                "deviations": ["train: class banded: wanted 40 images, got 3"],
            },
            "folder, its counts differ",
            "the data are not the official archive of dtd (folder, its counts differ)",
        ),
        (
            {
                "source": {"kind": "archive", "sha256": ARCHIVES["dtd"][0], "official": False},
                "deviations": ["train: class banded: wanted 40 images, got 39"],
            },
            "unofficial archive, its counts differ",
            "the data are not those of the archive of dtd (unofficial archive, its counts differ)",
        ),
    ],
    ids=["other archive", "folder", "not all of it"],
)
def test_data_that_are_not_the_papers_say_what_they_are(
    imported: Callable[..., None], changes: dict[str, Any], origin: str, why: str
) -> None:
    imported(manifest("dtd", **changes))
    install(CHECKPOINT, GOOGLE)
    job = planned(materials(), "table 4", rows=("dtd",)).jobs[0]
    assert job.inputs["data_origin"] == origin
    expected = changes["source"]["sha256"] or "pixels of dtd"
    assert (job.inputs["data"], job.inputs["pixels"]) == (expected, "pixels of dtd")
    assert obstacles(job.profile, job.inputs, job.dataset) == [why]


def test_weights_say_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("mine", None, "trained")
    foreign = tmp_path / "lightly.ckpt"
    foreign.write_bytes(b"a checkpoint")
    found = {}
    for name in ("random:0", "random:1", "mine", str(foreign)):
        job = planned(materials(weights=name), "table 4", rows=("dtd",)).jobs[0]
        found[name] = job.inputs["encoder"], job.inputs["encoder_origin"], job.settings["network"]
    assert [origin for _, origin, _ in found.values()] == ["random", "random", "trained", "file"]
    assert len({sha for sha, _, _ in found.values()}) == 4
    sha, _, network = found[str(foreign)]
    assert sha == file_sha256(foreign)
    assert network["weights"] == "lightly.ckpt"  # no folder of this machine


def test_all_that_is_missing_is_named_at_once_before_anything_is_made(tmp_path: Path) -> None:
    made = materials()
    with pytest.raises(DataError) as caught:
        demand(made, planned(made).jobs)
    message = str(caught.value)
    assert message.startswith("8 of the things that this run needs are not here: ")
    for name in DATASETS:
        assert f"data set {name} (" in message and f"`simclr-bench data fetch {name}`" in message
    for name in (CHECKPOINT, "torchvision/vgg16", "torchvision/resnet50-v1"):
        assert f"weights {name} (" in message and f"`simclr-bench weights fetch {name}`" in message
    assert "(4,765 MiB)" in message and "(about " in message and "\n" not in message
    assert not (tmp_path / "cache").exists()


def test_only_what_is_asked_for_can_be_missing(imported: Callable[..., None]) -> None:
    imported(manifest("dtd"))
    made = materials(weights="random:0")
    demand(made, planned(made, "table 4", rows=("dtd",)).jobs)
    (missing,) = made.missing(planned(made, "table 4", rows=("dtd", "food_101")).jobs)
    assert (missing.what, missing.bytes) == ("data set food_101", 4_996_278_331)


@pytest.mark.parametrize(
    ("name", "needles"),
    [
        ("simclrv2/finetuned_1pct/r50_1x_sk", ["network.weights", "did you mean", "weights list"]),
        ("/nowhere/encoder.pt", ["no weights '/nowhere/encoder.pt'"]),
    ],
)
def test_a_name_of_no_weights_is_refused(name: str, needles: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        materials(weights=name)
    assert all(needle in str(caught.value) for needle in needles)


def test_cuda_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    network = NetworkSettings()
    assert FullSize(network=network, device="auto").place() == "cpu"
    with pytest.raises(UsageError, match=r"run.device=cuda.*doctor.*--device cpu"):
        FullSize(network=network, device="cuda").place()


def test_no_more_processes_run_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * 2**30 // 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    made = materials()
    # 75,750 training images of 2,048 features: 40 bytes of each, and 2 GiB.
    food = planned(made, "table 4", rows=("food_101",)).jobs
    assert process_memory(food, made.sources()) == 2 * 2**30 + 40 * 2048 * 75_750
    assert made.fitting(food, 8) == 2
    assert made.fitting(planned(made, "table 1").jobs, 8) == 7  # 2,936 images
    pages["SC_PHYS_PAGES"] = 1
    assert made.fitting(food, 8) == 1


def test_a_dry_run_knows_what_time_is_spent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_costs, "_probe", lambda network, device: (0.05, 0.0))
    made = materials(weights="random:0")
    jobs = planned(made, "table 1", rows=("None",), seeds=tuple(range(8))).jobs
    # Eight streams of 30 batches of 64, and once 2,936 clean training images and a fourth of that.
    views = 8 * 1920 + 2936 + 734
    costs = made.costs(jobs, processes=2)
    assert costs.cache_bytes == 4 * 2048 * views
    assert costs.seconds == pytest.approx(paper_costs.START_UP_SECONDS + views * 0.05 / 2)
    students = planned(made, "table 2", seeds=tuple(range(8))).jobs
    # Also four fixed views by encoder and both bases, clean images by each base, and the teachers'
    # streams, which hold the same images for both students.
    assert made.costs(students, processes=1).cache_bytes == 4 * 2048 * (
        3 * 4 * 2936 + 3 * (2936 + 734) + 8 * 1920
    )


def test_weights_that_do_not_fit_stop_a_run_before_its_first_job(
    imported: Callable[..., None], tmp_path: Path
) -> None:
    imported(manifest("dtd"))
    install(CHECKPOINT, GOOGLE)  # of one tensor
    request = Request(targets=("table 4",), seeds=(0, 1), rows=("dtd",))
    resources = Resources(processes=1, workers=0)
    with pytest.raises(DataError, match=CHECKPOINT):
        reproduce(request, materials(), tmp_path, resources, SilentProgress(), margin=0.05)
    assert not list((tmp_path / "records").iterdir())
    assert not (tmp_path / "plan.json").exists()  # an older plan, and its records, stay current
