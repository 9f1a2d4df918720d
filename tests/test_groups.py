"""Groups of photographs, and the table of their answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from zsderm.embeddings import NamedEmbeddings
from zsderm.errors import InputError
from zsderm.groups import GroupPredictions, ImageGroups, group_predictions, groups_file
from zsderm.predictions import Predictions

IMAGES = ("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg")
GROUPS = ["007", "b", "007", "007", "", "b"]


def answered(names: tuple[str, ...], table: list[list[float]]) -> Predictions:
    rows = torch.tensor(table)
    failed = {name: "torn" for name, row in zip(names, rows.tolist(), strict=True) if np.isnan(row).any()}
    return Predictions(
        names, ("nevus", "wart"), rows, "knowledge", "none", "kpl", ((),) * len(names), failed, {"notes": []}
    )


@pytest.fixture
def found() -> GroupPredictions:
    """Three photographs of 007 of which one is torn, two torn ones of b, and one of nobody."""
    torn = [np.nan, np.nan]
    photographs = answered(IMAGES, [[0.9, 0.1], torn, [0.3, 0.7], torn, [0.2, 0.8], torn])
    members = ImageGroups.of(GROUPS, IMAGES)
    return group_predictions(photographs, answered(members.names, [[0.6, 0.4], torn, [0.2, 0.8]]), members, "lesion")


def test_groups_stand_in_the_order_in_which_they_first_occur() -> None:
    members = ImageGroups.of(GROUPS, IMAGES)
    assert members.names == ("007", "b", "5.jpg") and members.group_of.tolist() == [0, 1, 0, 0, 2, 1]
    assert (len(members), members.alone) == (3, 1)


def test_groups_share_a_value_that_their_photographs_agree_on() -> None:
    members = ImageGroups.of(GROUPS, IMAGES)
    assert members.shared(["NOSE", "", "NOSE", "", "LIP", ""]) == ["NOSE", "", "LIP"]
    assert members.shared(["NOSE", "", "EAR", "NOSE", "", "LIP"]) == ["", "LIP", ""]


def test_the_embedding_of_a_group_is_the_mean_of_its_readable_photographs() -> None:
    rows = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    ok = np.array([True, False, True, True, True, False])
    images = NamedEmbeddings(IMAGES, rows, ok, {"2.jpg": "torn", "6.jpg": "empty"})
    groups = ImageGroups.of(GROUPS, IMAGES).means(images)
    mean = (rows[0] + rows[1] + rows[2]) / 3
    torch.testing.assert_close(groups.features, torch.stack([mean / mean.norm(), rows[3]]))
    assert groups.ok.tolist() == [True, False, True]
    assert groups.errors == {"b": "none of its 2 photographs could be read"}
    alone = ImageGroups.of(["", "x"], IMAGES[:2]).means(
        NamedEmbeddings(IMAGES[:2], rows[:1], ok[:2], {"2.jpg": "torn"})
    )
    assert alone.errors == {"x": "torn"} and torch.allclose(alone.features, rows[:1])


def test_groups_count_their_photographs_and_those_that_agree(found: GroupPredictions) -> None:
    assert found.sizes.tolist() == [3, 2, 1] and found.unreadable.tolist() == [1, 2, 0]
    assert found.agreement[[0, 2]].tolist() == [0.5, 1.0] and found.agreement[1].isnan()


def test_the_table_has_a_row_for_each_group(found: GroupPredictions) -> None:
    frame = found.to_frame()
    assert frame["group"].tolist() == ["007", "b", "5.jpg"]
    assert frame["label"].tolist() == ["nevus", "", "wart"]
    assert frame["probability: wart"].tolist()[::2] == pytest.approx([0.4, 0.8])
    assert frame["error"].tolist() == ["", "torn", ""]
    assert {"image", "familiarity"}.isdisjoint(frame) and frame["images"].tolist() == [3, 2, 1]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_it_is_written_in_the_format_of_its_suffix_and_ids_stay_text(found, tmp_path: Path, suffix: str) -> None:
    path = groups_file(tmp_path / f"predictions{suffix}")
    assert path.name == f"predictions-groups{suffix}"
    found.save(path)
    if suffix == ".parquet":
        rows = pd.read_parquet(path).to_dict("records")
    elif suffix == ".csv":
        rows = pd.read_csv(path, dtype={"group": str}).to_dict("records")
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["group"] for row in rows] == ["007", "b", "5.jpg"]
    assert [row["unreadable"] for row in rows] == [1, 2, 0] and pd.isna(rows[1]["agreement"])


def test_what_the_groups_are_stands_in_both_manifests(found: GroupPredictions) -> None:
    facts = {"by": "lesion", "groups": 3, "images_alone": 1}
    assert found.photographs.manifest["groups"] == found.answers.manifest["groups"] == facts


def test_an_image_without_a_group_is_not_mixed_with_a_group_of_its_name() -> None:
    with pytest.raises(InputError, match=r"'1\.jpg' has no group, but a group is called like it"):
        ImageGroups.of(["", "1.jpg"], ["1.jpg", "2.jpg"])
    assert ImageGroups.of(["", ""], ["1.jpg", "1.jpg"]).names == ("1.jpg",)  # one image that is named twice
