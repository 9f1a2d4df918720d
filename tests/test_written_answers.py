"""Answers into a folder: kills at four moments, what is kept of a run, and what another run may not go on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet

from tests.conftest import WIDTH, TinyEncoder
from zsderm import ZeroShotClassifier
from zsderm.embeddings import StoredEmbeddings
from zsderm.embeddings.embedded_dataset import encoder_facts
from zsderm.errors import InputError, SettingsError
from zsderm.fitted import Fitted
from zsderm.knowledge.base import Description, Disease, KnowledgeBase, KnowledgeCard
from zsderm.prediction_dataset import PredictionDataset
from zsderm.written_answers import FITTED, AnswerSheet, write_answers

CLASSES = ("melanoma", "nevus", "psoriasis")
ROOT = Path(__file__).resolve().parents[1]
RUN = {"command": "zsderm classify", "time": "2026-01-01T00:00:00+00:00", "commit": None}
PARTS = 4


def rows(count: int = 40) -> StoredEmbeddings:
    """Rows of images, of which the third could not be read."""
    encoder = TinyEncoder()
    centres = encoder.encode_texts(CLASSES).numpy()
    rng = np.random.default_rng(0)
    features = centres[rng.integers(3, size=count)] + 0.1 * rng.standard_normal((count, WIDTH))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    errors = ["" if number != 2 else "it is no picture" for number in range(count)]
    features[2] = np.nan
    return StoredEmbeddings([f"{n}.png" for n in range(count)], features, errors, encoder_facts(encoder, 1))


def classifier(**settings: object) -> ZeroShotClassifier:
    """One of three classes, each with five sentences."""
    signs = ("red", "round", "with scales", "with a network", "blue")
    diseases = [
        Disease(
            name,
            descriptions=tuple(
                Description(f"{name} {sign}", name, "colour", "clinical", "test", "lesion") for sign in signs
            ),
        )
        for name in CLASSES
    ]
    base = KnowledgeBase(KnowledgeCard("mine"), diseases)
    how = {"prior": "uniform", "knowledge": base, **settings}
    return ZeroShotClassifier.from_pretrained(TinyEncoder(), classes=CLASSES, **how)


def write(place: Path, sheet: AnswerSheet | None = None, **settings: object) -> PredictionDataset:
    """Write the answers in four parts."""
    sheet = sheet or AnswerSheet(part_images=10)
    return write_answers(place, classifier(**settings), rows(), sheet, run=RUN)


# Each ends the process at once, as the kernel does when memory is short, at another moment of the work.
DEATHS = {
    "before anything is learned": "zsderm.written_answers._answers = die",
    "before the first part": "zsderm.written_answers._filled = die",
    "in the middle of a part": """
counted, of = [], AnswerCounts.of
AnswerCounts.of = lambda answers: die() if len(counted) == 2 else counted.append(answers) or of(answers)
""",
    "after the last part": "PredictionDataset.finish = die",
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_run_that_was_killed_goes_on_and_nothing_is_lost_doubled_or_changed(tmp_path: Path, death: str) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    write(whole)
    code = f"""
import os, signal
import zsderm.written_answers
from zsderm.knowledge.base import Description, Disease, KnowledgeBase, KnowledgeCard
from zsderm.prediction_dataset import AnswerCounts, PredictionDataset
from pathlib import Path
from tests.test_written_answers import write
def die(*arguments, **how):
    os.kill(os.getpid(), signal.SIGKILL)
{death}
write(Path({str(killed)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(InputError, match=r"is not finished: \d of 4 parts are missing"):
        PredictionDataset.open_finished(killed)
    before = {path.name: path.stat().st_mtime_ns for path in killed.glob("part-*")}
    dataset = write(killed)
    assert dataset.missing() == [] and dataset.facts.parts == PARTS
    assert all((killed / name).stat().st_mtime_ns == time for name, time in before.items())
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in killed.iterdir() if not path.name.startswith(".")) == names
    for name in names:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_the_answers_are_those_of_predict_in_the_order_of_the_rows(tmp_path: Path) -> None:
    dataset = write(tmp_path / "out")
    expected = classifier().predict(rows()).to_frame()
    found = pd.read_parquet(tmp_path / "out")
    assert found["image"].tolist() == [f"{n}.png" for n in range(40)]
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=0, atol=1e-6, check_dtype=False)
    assert dataset.counts.failed == 1 and dataset.counts.reasons == {"2.png": "it is no picture"}
    assert dataset.counts.labels == found["label"][found["label"] != ""].value_counts().to_dict()


def test_stretches_of_any_size_make_the_same_answers(tmp_path: Path) -> None:
    stream = classifier().predict_stream(rows())
    whole = stream.all()
    for size in (1, 7, 40):
        parts = list(stream.parts(range(len(stream)), size))
        assert [name for part in parts for name in part.images] == list(whole.images)
        torch.testing.assert_close(
            torch.cat([part.probabilities for part in parts]), whole.probabilities, atol=1e-6, rtol=0, equal_nan=True
        )
        told = [texts[:1] for part in parts for texts in part.evidence]
        assert [[e.text for e in texts] for texts in told] == [[e.text for e in texts[:1]] for texts in whole.evidence]


def test_what_was_learned_is_not_learned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / "part-000001.parquet").unlink()
    monkeypatch.setattr("zsderm.batch_answers.learn", None)
    write(tmp_path / "out")
    assert len(pd.read_parquet(tmp_path / "out")) == 40


def test_every_part_says_what_it_is_and_has_row_groups_in_the_order_of_the_images(tmp_path: Path) -> None:
    write(tmp_path / "out")
    places = sorted((tmp_path / "out").glob("part-*"))
    assert [parquet.read_metadata(place).num_rows for place in places] == [10] * PARTS
    assert all(b"zsderm" in parquet.read_schema(place).metadata for place in places)


def test_a_part_of_another_run_is_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one)
    write(other, method="templates")
    (one / "part-000001.parquet").write_bytes((other / "part-000001.parquet").read_bytes())
    with pytest.raises(InputError, match=r"part-000001.parquet.*another run.*Delete this file"):
        list(PredictionDataset.open_finished(one).tables())
    (one / "part-000001.parquet").unlink()
    write(one)
    (one / "part-000002.parquet").write_bytes((one / "part-000001.parquet").read_bytes())
    with pytest.raises(InputError, match=r"part-000002.parquet"):
        list(PredictionDataset.open_finished(one).tables())


@pytest.mark.parametrize("name", ["part-000003.parquet", "_predictions.json", FITTED])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    place = tmp_path / "out"
    write(place)
    (place / name).write_bytes((place / name).read_bytes()[:40])
    (place / "part-000001.parquet").unlink()
    with pytest.raises(InputError, match=r"cannot read"):
        write(place)
        list(PredictionDataset.open_finished(place).tables())


def test_rows_that_are_others_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "out")
    changed = rows()
    changed.features[5] = changed.features[6]
    sheet = AnswerSheet(part_images=10)
    with pytest.raises(SettingsError, match=r"embeddings was .* Choose another folder"):
        write_answers(tmp_path / "out", classifier(), changed, sheet)
    renamed = StoredEmbeddings(["a.png", *rows().images[1:]], rows().features, rows().errors, rows().encoder)
    with pytest.raises(SettingsError, match="image names was"):
        write_answers(tmp_path / "out", classifier(), renamed, sheet)


def test_parts_keep_the_size_that_they_were_begun_with(tmp_path: Path) -> None:
    write(tmp_path / "out")
    dataset = write(tmp_path / "out", AnswerSheet(part_images=3))
    assert dataset.facts.part_images == 10 and dataset.missing() == []


def test_a_fit_that_was_stored_is_the_one_that_was_learned(tmp_path: Path) -> None:
    own = classifier()
    write_answers(tmp_path / "out", own, rows(), AnswerSheet(part_images=10), run=RUN)
    stream = own.predict_stream(rows())
    assert isinstance(stream.fitted, Fitted) and stream.fitted.refined
    proxies = PredictionDataset.open(tmp_path / "out").part_facts(0)["proxies"]
    assert proxies == stream.fitted.digest
