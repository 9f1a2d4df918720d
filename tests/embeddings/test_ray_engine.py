"""Ray makes the rows that one process makes, on a real cluster of two nodes, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import ray
import yaml

from tests.embeddings.ray_cluster import TwoNodes, kill, parts_in, two_nodes, when, write_photographs
from zsderm.cli.embed import embed as embed_command
from zsderm.embeddings import DatasetFolder, LocalEngine, embed_dataset, read_embeddings
from zsderm.embeddings.embedded_dataset import encoder_facts
from zsderm.embeddings.ray_actor import ATTEMPTS, PartMaker, Work, seen_images
from zsderm.embeddings.ray_cluster import Actors
from zsderm.embeddings.ray_engine import RayEngine, _new_attempts
from zsderm.encoders import Encoder, load_encoder
from zsderm.errors import InputError, SettingsError

IMAGES, PART_ROWS, VIEWS = 48, 3, 4  # 16 parts, each with a moment's work
PARTS = IMAGES // PART_ROWS


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("zsderm-mini", "cpu")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = write_photographs(tmp_path_factory.mktemp("ray") / "photos", IMAGES)
    return [str(path) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def undisturbed(encoder: Encoder, photographs: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The bytes of all parts, as one process makes them."""
    folder = tmp_path_factory.mktemp("local") / "rows"
    embed(folder, encoder, photographs, LocalEngine(encoder, batch_size=2))
    return [part.read_bytes() for part in parts_in(folder)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def engine(cluster: TwoNodes) -> Iterator[RayEngine]:
    cluster.mend()
    with RayEngine("zsderm-mini", "cpu", batch_size=2, address=cluster.address) as running:
        yield running


def embed(folder: Path, encoder: Encoder, images: list[str], engine: LocalEngine | RayEngine) -> DatasetFolder:
    return embed_dataset(folder, encoder, images, engine=engine, views=VIEWS, part_rows=PART_ROWS)


def command(folder: Path, photographs: list[str], address: str, *more: str) -> list[str]:
    how = ["--part-rows", str(PART_ROWS), "--views", str(VIEWS), "--batch-size", "2", "--device", "cpu", "--no-cache"]
    run = [sys.executable, "-m", "zsderm", "embed", str(Path(photographs[0]).parent), "-o", f"{folder}/"]
    return [*run, *how, "--engine", "ray", "--ray-address", address, *more]


MOMENTS: dict[str, Callable[[TwoNodes, Path], bool]] = {
    "before the first part": lambda cluster, folder: bool(cluster.actors()) and not parts_in(folder),
    "in the middle": lambda cluster, folder: len(parts_in(folder)) >= PARTS // 3,
    "near the end": lambda cluster, folder: len(parts_in(folder)) >= PARTS - 3,
}

# One of them in every run of the suite, the others when asked for.
EACH_MOMENT = [
    pytest.param(moment, marks=[] if moment == "in the middle" else [pytest.mark.long]) for moment in MOMENTS
]


@pytest.mark.slow
def test_the_parts_are_those_of_one_process_to_the_byte(engine, encoder, photographs, undisturbed, tmp_path) -> None:
    done = embed(tmp_path / "rows", encoder, photographs, engine)
    assert [part.read_bytes() for part in parts_in(tmp_path / "rows")] == undisturbed
    assert done.finished is not None and done.finished["failed"] == 1
    rows = read_embeddings(tmp_path / "rows", encoder, VIEWS)
    assert list(rows.images) == photographs
    assert [bool(error) for error in rows.errors] == [False] * (IMAGES - 1) + [True]
    assert "truncated" in rows.errors[-1] or "cannot" in rows.errors[-1] or "not" in rows.errors[-1]


@pytest.mark.slow
@pytest.mark.parametrize("moment", EACH_MOMENT)
def test_an_actor_that_is_killed_costs_no_row_and_is_not_talked_of(
    engine, cluster, encoder, photographs, undisturbed, tmp_path, capfd, moment: str
) -> None:
    folder = tmp_path / "rows"
    with when(lambda: MOMENTS[moment](cluster, folder), lambda: kill(cluster.actors()[0])) as was_killed:
        done = embed(folder, encoder, photographs, engine)
    assert was_killed()
    assert [part.read_bytes() for part in parts_in(folder)] == undisturbed
    assert done.finished is not None and done.finished["failed"] == 1
    assert "raylet" not in "".join(capfd.readouterr())


@pytest.mark.slow
@pytest.mark.parametrize("moment", EACH_MOMENT)
def test_a_node_that_is_killed_costs_no_row_and_is_not_talked_of(
    engine, cluster, encoder, photographs, undisturbed, tmp_path, capfd, moment: str
) -> None:
    folder = tmp_path / "rows"
    with when(lambda: MOMENTS[moment](cluster, folder), cluster.kill_node) as was_killed:
        done = embed(folder, encoder, photographs, engine)
    assert was_killed()
    assert [part.read_bytes() for part in parts_in(folder)] == undisturbed
    assert done.finished is not None and done.finished["failed"] == 1
    assert "raylet" not in "".join(capfd.readouterr())


@pytest.mark.slow
@pytest.mark.parametrize("moment", EACH_MOMENT)
def test_a_run_that_is_killed_goes_on_with_what_is_missing(
    cluster, encoder, photographs, undisturbed, tmp_path, moment: str
) -> None:
    cluster.mend()
    folder = tmp_path / "rows"
    with (
        subprocess.Popen(command(folder, photographs, cluster.address), stderr=subprocess.PIPE) as run,
        when(lambda: MOMENTS[moment](cluster, folder), lambda: kill(run.pid)) as was_killed,
    ):
        run.communicate(timeout=300)
    assert was_killed() and run.returncode == -signal.SIGKILL
    while cluster.actors():  # those of the run that is gone end by themselves
        time.sleep(0.05)
    there = {part: part.stat().st_mtime_ns for part in parts_in(folder)}
    assert len(there) < PARTS
    with RayEngine("zsderm-mini", "cpu", batch_size=2, address=cluster.address) as engine:
        done = embed(folder, encoder, photographs, engine)
    assert {part: part.stat().st_mtime_ns for part in there} == there  # not made again
    assert [part.read_bytes() for part in parts_in(folder)] == undisturbed
    assert done.finished is not None and done.finished["failed"] == 1


@pytest.mark.slow
def test_ctrl_c_ends_with_a_sentence_and_no_actor_is_left(cluster, photographs, tmp_path) -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        pytest.skip("a suite in the background of a shell has its processes ignore Ctrl-C")
    cluster.mend()
    folder = tmp_path / "rows"
    with (
        subprocess.Popen(command(folder, photographs, cluster.address), stderr=subprocess.PIPE, text=True) as run,
        when(lambda: MOMENTS["in the middle"](cluster, folder), lambda: run.send_signal(signal.SIGINT)) as sent,
    ):
        _, said = run.communicate(timeout=300)
    assert sent() and run.returncode == 130
    assert said.strip().startswith("Stopped.") and "the same command goes on" in said and said.count("\n") <= 2
    deadline = time.monotonic() + 20
    while cluster.actors() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not cluster.actors()


@pytest.mark.slow
def test_the_command_says_what_the_local_one_says_and_nothing_of_ray(
    cluster, photographs, undisturbed, tmp_path
) -> None:
    cluster.mend()
    home = Path(photographs[0]).parents[1]  # an actor works elsewhere: names are relative
    called = command(tmp_path / "rows", ["photos/0"], cluster.address, "--actors", "1:2")
    done = subprocess.run(called, cwd=home, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"{IMAGES - 1} of {IMAGES} images embedded by zsderm-mini")
    assert lines[1] == f"Written: {tmp_path / 'rows'}"
    rows = read_embeddings(tmp_path / "rows")
    assert rows.images[0] == "photos/000.jpg" and np.isfinite(rows.features[: IMAGES - 1]).all()


@pytest.mark.slow
def test_classify_answers_as_it_does_alone(cluster, photographs, tmp_path) -> None:
    cluster.mend()
    folder, classes = str(Path(photographs[0]).parent), ["-c", "melanoma, nevus", "--device", "cpu", "--no-cache", "-q"]
    alone, by_ray = tmp_path / "alone.csv", tmp_path / "ray.csv"
    for output, more in ((alone, []), (by_ray, ["--engine", "ray", "--ray-address", cluster.address])):
        called = [sys.executable, "-m", "zsderm", "classify", folder, *classes, "-o", str(output), *more]
        done = subprocess.run(called, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    one, other = pd.read_csv(alone), pd.read_csv(by_ray)
    assert one.columns.tolist() == other.columns.tolist() and len(one) == IMAGES
    assert one["image"].tolist() == other["image"].tolist() and one["label"].equals(other["label"])
    np.testing.assert_allclose(one["probability"], other["probability"], atol=1e-6)
    assert DatasetFolder.open(tmp_path / "ray.csv.embeddings").finished is not None


@pytest.fixture
def work(engine, encoder, photographs, tmp_path) -> Work:
    """What an actor is told; the actors below run in this process."""
    begun = DatasetFolder.begin(tmp_path / "rows", encoder_facts(encoder, 1), photographs, part_rows=PART_ROWS)
    attempts = _new_attempts()
    return Work(begun.folder, begun.facts, "zsderm-mini", "cpu", 2, None, 1, os.getcwd(), (), attempts)


def refusal(work: Work, part: int = 0) -> str:
    """What an actor answers that has to be told to the user."""
    row = PartMaker(work)({"part": np.array([part])})
    assert row["part"] == [part] and row["defect"] == [""]
    return row["refusal"][0]


@pytest.mark.slow
def test_a_node_that_sees_other_files_is_refused_before_anything_is_embedded(work, tmp_path, photographs) -> None:
    elsewhere = refusal(replace(work, folder=type(work.folder)(tmp_path / "nowhere")))
    assert "does not see the data set" in elsewhere and "same disk" in elsewhere
    assert "another data set" in refusal(replace(work, facts=replace(work.facts, list_digest="0")), 1)
    unseen = refusal(replace(work, seen=(str(tmp_path / "photo.jpg"),)), 2)
    assert "does not see the photographs" in unseen and "same disk" in unseen
    assert "Install the same version" in refusal(replace(work, version="0.0.1"), 3)
    assert not parts_in(tmp_path / "rows")


@pytest.mark.slow
def test_a_node_with_another_encoder_under_the_same_name_is_refused(encoder, engine, photographs, tmp_path) -> None:
    begun = DatasetFolder.begin(tmp_path / "rows", encoder_facts(encoder, 1) | {"fingerprint": "0" * 16}, photographs)
    with pytest.raises(InputError, match="another encoder under the name 'zsderm-mini'"):
        engine(begun, begun.missing(), lambda more: None)
    assert not parts_in(tmp_path / "rows")


@pytest.mark.slow
def test_a_part_whose_maker_ends_again_and_again_is_named(work) -> None:
    for _ in range(ATTEMPTS):
        ray.get(work.attempts.begin.remote(1))
    said = refusal(work, 1)
    assert "part 1 could not be made" in said and "images 4 to 6 of the list" in said and "--batch-size" in said


def test_images_that_are_there_are_witnesses(photographs, tmp_path) -> None:
    assert seen_images([str(tmp_path / "none.jpg"), *photographs[-2:]]) == tuple(photographs[-2:])
    assert seen_images([str(tmp_path / "none.jpg")]) == ()
    assert len(seen_images(photographs)) == 8


@pytest.mark.parametrize(
    ("nodes", "given", "planned"),
    [
        ([{"CPU": 2}], {}, Actors(1, 1, 2, 0)),
        ([{"CPU": 64}], {}, Actors(16, 16, 4, 0)),
        ([{"CPU": 1}, {"CPU": 1}], {}, Actors(2, 2, 1, 0)),
        ([{"CPU": 0}, {"CPU": 8}], {}, Actors(2, 2, 4, 0)),
        ([{}, {"CPU": 8}], {}, Actors(2, 2, 4, 0)),
        ([{"CPU": 8}], {"number": (3, 3)}, Actors(3, 3, 2, 0)),
        ([{"CPU": 8}], {"number": (2, 6)}, Actors(2, 6, 4, 0)),
        ([{"CPU": 2}], {"number": (9, 9)}, Actors(9, 9, 1, 0)),
        ([{"CPU": 8}], {"cpus": 8}, Actors(1, 1, 8, 0)),
        ([{"CPU": 16, "GPU": 2}], {}, Actors(2, 2, 8, 1)),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 64}], {}, Actors(2, 2, 8, 1)),
        ([{"CPU": 16, "GPU": 1}], {"gpus": 0.5}, Actors(2, 2, 8, 0.5)),
        ([{"CPU": 16, "GPU": 1}], {"gpus": 0.0}, Actors(4, 4, 4, 0)),
        ([{"CPU": 128, "GPU": 1}], {}, Actors(1, 1, 16, 1)),
        ([], {}, Actors(1, 1, 4, 0)),
    ],
)
def test_actors_share_what_the_nodes_have(nodes: list[dict[str, float]], given: dict, planned: Actors) -> None:
    assert Actors.planned(nodes, **given) == planned


@pytest.mark.parametrize("module", ["zsderm", "zsderm.embeddings.ray_actor"])
def test_a_node_without_zsderm_or_with_an_older_one_is_said_in_one_sentence(
    work, tmp_path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    def rows(*_: object) -> Iterator[dict]:  # what Ray raises; an older zsderm cannot be installed beside this one
        yield from ()
        raise ray.exceptions.RaySystemError(f"No module named '{module}'")

    monkeypatch.setattr("zsderm.embeddings.ray_engine._rows", rows)
    dataset = DatasetFolder.begin(tmp_path / "of_an_older_node", work.facts.encoder, ["a.png"])
    with pytest.raises(InputError, match="not installed on a node of the cluster, or is older there"):
        RayEngine("zsderm-mini")._round(work, Actors(1, 1, 1, 0), [0], dataset, lambda _: None)


def test_an_address_where_nobody_listens_is_said_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(SettingsError, match=r"no Ray cluster can be used at '127.0.0.1:9': .*ray start --head"):
        RayEngine("zsderm-mini", address="127.0.0.1:9").__enter__()
    assert time.monotonic() - started < 15


def test_a_full_disk_of_rays_own_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("zsderm.embeddings.ray_cluster._LEAST_FREE", 1 << 62)
    with pytest.raises(SettingsError, match=f"Ray keeps its files in '{tmp_path}', and only .* set RAY_TMPDIR"):
        RayEngine("zsderm-mini", address="local").__enter__()


EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ray"


def test_the_cluster_for_ray_up_follows_rays_schema() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8"))
    cluster = yaml.safe_load((EXAMPLES / "cluster.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]


def test_the_job_for_kuberay_is_read_by_what_sizes_its_clusters() -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    job = yaml.safe_load((EXAMPLES / "rayjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = {"metadata": {"name": "x", "namespace": "y"}, "spec": job["spec"]["rayClusterSpec"]}
    nodes = _derive_autoscaling_config_from_ray_cr(cluster)["available_node_types"]
    assert nodes["headgroup"]["resources"]["CPU"] == 0
    workers = nodes["workers"]
    assert (workers["resources"]["CPU"], workers["min_workers"], workers["max_workers"]) == (8, 0, 8)
    words = shlex.split(job["spec"]["entrypoint"])
    with embed_command.make_context("embed", words[2:]) as context:  # the options exist, and take these values
        assert context.params["engine"] == "ray" and context.params["actors"] == (1, 16)
