"""Tables with the columns of Derm1M-AgentAug (arXiv 2512.03445), with rows of our own: read, packed and checked."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.cli import main
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.pack import pack
from zsderm.pretrain.data.published_format import captions_of
from zsderm.pretrain.data.sources import read_rows, read_source
from zsderm.pretrain.data.validation import validate

COLUMNS = (
    *("filename", "truncated_caption", "ontology_caption", "visual_concept_caption"),
    *(f"subcaption_{n}" for n in range(1, 9)),
    *("sub_caption_mask", "knowledge_masks", "ontology_label"),
)
FULL = {
    "filename": "images/a.png",
    "truncated_caption": "A man of 60 with a scaly, pink patch on the forearm, perhaps a squamous cell carcinoma.",
    "ontology_caption": "neoplasm, malignant, keratinocytic, squamous cell carcinoma in situ",
    "visual_concept_caption": "the skin shows a patch, scale and erythema",
    **{f"subcaption_{n}": f"sentence {n} of eight" for n in range(1, 9)},
    "sub_caption_mask": "[1, 1, 1, 1, 1, 1, 1, 1]",
    "knowledge_masks": "[1, 1, 1]",
    "ontology_label": "squamous cell carcinoma in situ",
}
SPARSE = {
    "filename": "images/b.png",
    "truncated_caption": "Red bumps on the back.",
    "subcaption_1": "red bumps",
    "subcaption_2": "on the back",
    "sub_caption_mask": "[1, 1, 0, 0, 0, 0, 0, 0]",
    "knowledge_masks": "[1, 0, 0]",
    "ontology_label": "no definitive diagnosis",  # no name of the knowledge base
}
ROWS = (FULL, SPARSE)
TEXTS = [tuple(row.get(column, "") for column in COLUMNS[1:12]) for row in ROWS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{name}.png")
    write(tmp_path / "table.csv", *ROWS)
    return tmp_path


def write(table: Path, *rows: Mapping[str, str], columns: tuple[str, ...] = COLUMNS) -> None:
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def test_the_eleven_captions_are_read_in_their_order(folder: Path) -> None:
    records = read_source(Source("table.csv"), folder)
    assert [record.captions for record in records] == TEXTS
    assert [record.path for record in records] == [folder / "images" / "a.png", folder / "images" / "b.png"]


def test_parquet_with_lists_for_masks_gives_what_csv_gives(folder: Path) -> None:
    masks = {"sub_caption_mask": [1] * 8, "knowledge_masks": [1, 1, 1]}
    sparse_masks = {"sub_caption_mask": [1, 1] + [0] * 6, "knowledge_masks": [1, 0, 0]}
    frame = pd.DataFrame([{**FULL, **masks}, {**SPARSE, **sparse_masks}], columns=COLUMNS)
    frame.to_parquet(folder / "table.parquet")
    assert [record.captions for record in read_source(Source("table.parquet"), folder)] == TEXTS


def test_the_ontology_label_makes_no_labelled_table_and_is_no_caption(folder: Path) -> None:
    plain, other = (captions_of({**FULL, "ontology_label": label}) for label in ("", "scabies"))
    assert plain == other == (TEXTS[0], [])
    assert all(record.case is None for record in read_source(Source("table.csv"), folder))


def test_the_ontology_label_is_carried_by_the_rows_and_into_shards(folder: Path) -> None:
    labels = [row["ontology_label"] for row in ROWS]
    assert [cells["ontology_label"] for cells, _ in read_rows(Source("table.csv"), folder)] == labels
    pack(Source("table.csv"), folder, folder / "shards")
    shards = Source("shards/*.tar")
    assert [cells["ontology_label"] for cells, _ in read_rows(shards, folder)] == labels
    assert [record.captions for record in read_source(shards, folder)] == TEXTS


def test_further_columns_change_nothing(folder: Path) -> None:
    write(folder / "table.csv", {**FULL, "agent_generated": "True"}, columns=(*COLUMNS, "agent_generated"))
    (record,) = read_source(Source("table.csv"), folder)
    assert record.captions == TEXTS[0]


def test_validate_finds_nothing_in_sound_rows(folder: Path) -> None:
    done = CliRunner().invoke(main, ["pretrain", "validate", "table.csv", "--data-root", str(folder)])
    assert (done.exit_code, done.stdout.splitlines()) == (0, ["table,row,filename,kind,reason"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sub_caption_mask": "[1, 1, 1, 0, 0, 0, 0, 0]"}, "sub_caption_mask marks an empty text as present"),
        ({"knowledge_masks": "[1, 1, 0]"}, "knowledge_masks marks an empty text as present"),
        ({"knowledge_masks": "[1, 0, 0, 0]"}, "list of 3 values"),
        ({"filename": "images/none.png"}, "no such file"),
    ],
)
def test_validate_names_the_row_that_contradicts_itself(folder: Path, change: dict[str, str], reason: str) -> None:
    write(folder / "table.csv", FULL, {**SPARSE, **change})
    (problem,) = validate([Source("table.csv")], folder).problems
    assert problem.row == 3 and reason in problem.reason
