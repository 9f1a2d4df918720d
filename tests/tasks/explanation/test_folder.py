"""Explanations pass through unchanged and leave a picture each, and one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from zsderm.errors import SettingsError
from zsderm.images import named, passed_over_text
from zsderm.predictions import Evidence
from zsderm.tasks.explanation.explain import Explanation
from zsderm.tasks.explanation.field_of_view import FieldOfView
from zsderm.tasks.explanation.folder import TABLE, written
from zsderm.tasks.explanation.heat_map import HeatMap


def _explanation(name: str, photo: Image.Image) -> Explanation:
    heat = HeatMap(torch.tensor([[0.0, 0.5], [0.0, -0.1]]), FieldOfView(0, 0, *photo.size), photo.size)
    sign = Evidence("brown – all over", 0.25, "colour", "test")
    return Explanation(name, "nevus", "wart", 0.125, (sign,), (sign, sign), heat, photo)


def test_each_explanation_passes_unchanged_and_leaves_its_picture(tmp_path: Path, photo) -> None:
    given = [_explanation("a/mole.jpg", photo), None, _explanation("image 2?", photo)]
    folder = tmp_path / "new" / "why"
    passing = written(iter(given), folder)
    assert next(passing) is given[0]
    assert [path.name for path in folder.iterdir()] == ["0001_mole.png"], "written before the next is asked for"
    assert list(passing) == given[1:]
    assert sorted(path.name for path in folder.iterdir()) == ["0001_mole.png", "0003_image_2_.png", TABLE]
    with Image.open(folder / "0001_mole.png") as picture:
        assert picture.size == given[0].pair().size


def test_the_table_says_everything_that_was_said(tmp_path: Path, photo) -> None:
    list(written([None, _explanation("mole.jpg", photo)], tmp_path))
    lines = (tmp_path / TABLE).read_text(encoding="utf-8").splitlines()
    found = json.loads(lines[0])
    assert len(lines) == 1 and found["image"] == "mole.jpg" and found["picture"] == "0002_mole.png"
    assert (found["winner"], found["runner_up"], found["margin"], found["scale"]) == ("nevus", "wart", 0.125, 0.5)
    assert found["hottest"] == [45.0, 10.0] and len(found["runner_up_evidence"]) == 2
    said = {"text": "brown – all over", "score": 0.25, "aspect": "colour", "source": "test"}
    assert found["evidence"][0] == {**said, "modality": "", "shows": ""}


def test_a_second_run_replaces_the_first(tmp_path: Path, photo) -> None:
    for _ in range(2):
        list(written([_explanation("mole.jpg", photo)], tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001_mole.png", TABLE]


def test_photographs_of_one_name_do_not_overwrite_each_other(tmp_path: Path, photo) -> None:
    list(written([_explanation("a/mole.jpg", photo), _explanation("b/mole.jpg", photo)], tmp_path))
    assert len(list(tmp_path.glob("*_mole.png"))) == 2


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, photo) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot write"):
        next(written([_explanation("mole.jpg", photo)], tmp_path / "file"))


def test_heat_maps_beside_photographs_are_not_taken_for_photographs(tmp_path: Path, photo: Image.Image) -> None:
    """A folder made for one photograph may lie in the folder of all."""
    photo.save(tmp_path / "mole.jpg")
    photo.save(tmp_path / "0001_own.png")
    list(written([_explanation("mole.jpg", photo)], tmp_path / "heat"))
    found = named(tmp_path)
    assert [Path(name).name for name in found.names] == ["0001_own.png", "mole.jpg"]
    assert passed_over_text(found.passed_over) == "1 .jsonl, 1 heat map"
    picture = tmp_path / "heat" / "0001_mole.png"
    assert named(picture).names == (str(picture),)
