"""The modality of a labelled image: from its row, else from the configuration; it decides how captions are worded."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from zsderm import KnowledgeBase
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.captions import CaptionWriter, Case
from zsderm.pretrain.data.sources import read_rows, record_of
from zsderm.pretrain.data.validation import MODALITY, validate


@pytest.fixture
def root(tmp_path: Path) -> Path:
    words = ["", "dermoscopy", "Histopathology", "x-ray"]
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 90, 90)).save(tmp_path / f"{number}.png")
    table = pd.DataFrame({"filename": [f"{n}.png" for n in range(4)], "label": ["melanoma"] * 4, "modality": words})
    table.to_csv(tmp_path / "index.csv", index=False)
    return tmp_path


def test_a_row_says_its_modality_and_the_configuration_that_of_the_others(root: Path) -> None:
    source = Source("index.csv", modality="dermoscopic")
    cases = [record_of(cells, place, source).case for cells, place in read_rows(source, root)]
    found = [case.modality for case in cases if case]
    assert found == ["dermoscopic", "dermoscopic", "pathological", "dermoscopic"]


def test_a_word_that_is_no_modality_is_found_before_training(root: Path) -> None:
    (problem,) = validate([Source("index.csv")], root).problems
    assert problem.kind == MODALITY and problem.row == 4 + 1 and "'x-ray'" in problem.reason


def test_captions_of_sections_speak_of_sections_and_not_of_skin() -> None:
    writer, rng = CaptionWriter(KnowledgeBase.load("dermatology")), random.Random(0)
    texts = [writer.write(Case("melanoma", "pathological"), rng).texts for _ in range(40)]
    first = " ".join(each[0] for each in texts)
    assert "histopathology image" in first and "dermoscopic" not in first and "photo" not in first
    assert not any(any(each[2:]) for each in texts)  # no visual signs, no descriptions: the base has those of skin
