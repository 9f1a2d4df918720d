"""Tables in the published format and labelled ones, as CSV and as Parquet."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from zsderm import KnowledgeBase, PretrainingDataError, SettingsError
from zsderm.pretrain.config import Source, TrainConfig, read_config
from zsderm.pretrain.data.published_format import captions_of
from zsderm.pretrain.data.sources import read_records, read_source
from zsderm.pretrain.data.validation import validate

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
ROW = {
    "filename": "a.png",
    "truncated_caption": "a red plaque",
    "ontology_caption": "inflammatory, psoriasis",
    "visual_concept_caption": "",
    "sub_captions": "2",
    "subcaption_1": "silvery scale",
    "subcaption_2": "nan",
    "sub_caption_mask": "[1,0,0,0,0,0,0,0]",
    "knowledge_masks": "[1,1,0]",
}
TEXTS = ("a red plaque", "inflammatory, psoriasis", "", "silvery scale", *[""] * 7)
LABELLED = [
    {"filename": f"{n}.png", "label": label, "split": split, "region": "BACK", "age": "63.0", "itch": "True"}
    for n, (label, split) in enumerate([("melanoma", "train"), ("nevus", "train"), ("nevus", "dev")])
]


def write(folder: Path, rows: Sequence[Mapping[str, object]], name: str = "table.csv") -> Path:
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def config(**changes: object) -> TrainConfig:
    return read_config(MINI, changes)


def test_a_labelled_table_gives_the_facts_of_its_split(tmp_path: Path) -> None:
    source = Source("table.csv", split="train", columns={"site": "region", "age": "age"}, signs={"itch": "itches"})
    records = read_source(source, write(tmp_path, LABELLED))
    assert [record.path.name for record in records] == ["0.png", "1.png"]
    case = records[0].case
    assert case is not None
    assert (case.label, case.site, case.age, case.signs) == ("melanoma", "back", 63, ("itches",))


POOLED = [
    {"filename": f"{n}.png", "label": "pooled", "split": split, "image_id": name}
    for n, (name, split) in enumerate([("A", "train"), ("B", "train"), ("C", "dev"), ("D", "train")])
]
FINE = [
    {"image_id": "A", "lesion": "1", "fine_label": "Bowen disease"},
    {"image_id": "C", "lesion": "2", "fine_label": "actinic keratosis"},
    {"image_id": "D", "lesion": "2", "fine_label": ""},
    {"image_id": "elsewhere", "lesion": "3", "fine_label": "melanoma"},
]


def test_a_fine_label_stands_in_place_of_a_pooled_one_where_there_is_one(tmp_path: Path) -> None:
    write(write(tmp_path, POOLED), FINE, "fine.csv")

    def labels(**settings: str) -> list[str]:
        return [record.case.label for record in read_source(Source("table.csv", **settings), tmp_path) if record.case]

    assert labels() == ["pooled"] * 4
    assert labels(fine_labels="fine.csv") == ["Bowen disease", "pooled", "actinic keratosis", "pooled"]
    assert labels(fine_labels="fine.csv", split="train") == ["Bowen disease", "pooled", "pooled"]
    source = {"table": "table.csv", "fine_labels": "fine.csv"}
    kept = read_records(config(train=[source], leave_out=["Bowen disease"]), tmp_path)
    assert [record.path.name for record in kept] == ["1.png", "2.png", "3.png"], "left out by its fine label"
    with pytest.raises(SettingsError, match=r"Unknown setting 'fine_label'.*Did you mean 'fine_labels'"):
        config(train=[{"table": "table.csv", "fine_label": "fine.csv"}])


def test_a_fine_label_is_checked_like_any_other(tmp_path: Path) -> None:
    write(write(tmp_path, POOLED[:1]), FINE[:1], "fine.csv")
    Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    knowledge = KnowledgeBase.load("dermatology")
    plain, fine = (
        validate([source], tmp_path, knowledge=knowledge).problems
        for source in (Source("table.csv"), Source("table.csv", fine_labels="fine.csv"))
    )
    assert [problem.kind for problem in plain] == ["unknown label"] and not fine


def test_fine_labels_that_fit_no_table_are_refused(tmp_path: Path) -> None:
    write(tmp_path, POOLED)
    with pytest.raises(PretrainingDataError, match=r"There is no table .*fine\.csv"):
        read_source(Source("table.csv", fine_labels="fine.csv"), tmp_path)
    write(tmp_path, [{"image": "A", "fine_label": "melanoma"}], "fine.csv")
    with pytest.raises(PretrainingDataError, match=r"fine\.csv has no column 'image_id'"):
        read_source(Source("table.csv", fine_labels="fine.csv"), tmp_path)
    write(write(tmp_path, FINE, "fine.csv"), LABELLED)
    with pytest.raises(PretrainingDataError, match=r"table\.csv has no column 'image_id', by which `fine_labels`"):
        read_source(Source("table.csv", fine_labels="fine.csv"), tmp_path)


def test_the_published_format_is_read_and_nan_is_a_missing_caption(tmp_path: Path) -> None:
    (record,) = read_source(Source("table.csv"), write(tmp_path, [ROW]))
    assert record.captions == TEXTS


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    pd.DataFrame([ROW]).to_parquet(tmp_path / "texts.parquet")
    own = {**ROW, "knowledge_masks": [1, 1, 0], "sub_caption_mask": [1] + [0] * 7, "subcaption_2": None}
    pd.DataFrame([own]).to_parquet(tmp_path / "lists.parquet")
    for name in ("texts.parquet", "lists.parquet"):
        (record,) = read_source(Source(name), tmp_path)
        assert record.captions == TEXTS and record.path == tmp_path / "a.png"


@pytest.mark.parametrize(
    ("cell", "kept"), [("", True), ("[1, 1, 0]", True), ("(1, 1, 0)", True), ("[True, True, False]", True)]
)
def test_masks_are_read_as_json_or_as_python_literals(cell: str, kept: bool) -> None:
    texts, problems = captions_of({**ROW, "knowledge_masks": cell})
    assert (texts == TEXTS) is kept and not problems


def test_a_mask_of_0_switches_a_text_off() -> None:
    texts, problems = captions_of({**ROW, "knowledge_masks": "[1,0,0]", "sub_caption_mask": "[0,0,0,0,0,0,0,0]"})
    assert texts == ("a red plaque", *[""] * 10) and not problems


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("sub_caption_mask", "[1,1,0,0,0,0,0,0]", "marks an empty text as present"),
        ("knowledge_masks", "[1,1,1]", "marks an empty text as present"),
        ("knowledge_masks", "[1,1]", "list of 3 values"),
        ("knowledge_masks", "__import__('os').getcwd()", "list of 3 values"),
        ("knowledge_masks", "[" * 900, "list of 3 values"),
        ("knowledge_masks", "(" * 5000, "list of 3 values"),
        ("knowledge_masks", "7", "list of 3 values"),
        ("sub_caption_mask", "[2,0,0,0,0,0,0,0]", "8 values of 0 or 1"),
        ("sub_caption_mask", '["1",0,0,0,0,0,0,0]', "8 values of 0 or 1"),
    ],
)
def test_a_mask_that_contradicts_the_text_is_refused_with_its_row(
    tmp_path: Path, column: str, cell: str, reason: str
) -> None:
    write(tmp_path, [ROW, {**ROW, column: cell}])
    with pytest.raises(PretrainingDataError, match=f"row 3.*{reason}"):
        read_source(Source("table.csv"), tmp_path)


def test_a_mask_in_the_order_of_the_published_documentation_is_recognised() -> None:
    # Caption, visual concepts, ontology: with a visual caption and no ontology caption the two orders differ.
    row = {**ROW, "ontology_caption": "", "visual_concept_caption": "a plaque", "knowledge_masks": "[1,1,0]"}
    _, (problem,) = captions_of(row)
    assert "fits the order of the published documentation" in problem and "Swap them" in problem
    _, (other,) = captions_of({**row, "knowledge_masks": "[1,1,1]"})
    assert "published documentation" not in other


def test_rows_are_numbered_as_a_spreadsheet_counts_them_whatever_the_split(tmp_path: Path) -> None:
    rows = [{**ROW, "split": "dev"}, {**ROW, "split": "train", "knowledge_masks": "[1,1,1]"}]
    with pytest.raises(PretrainingDataError, match="row 3"):
        read_source(Source("table.csv", split="train"), write(tmp_path, rows))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (Source("none.csv"), "There is no table"),
        (Source("table.csv", split="test"), "no row with split 'test'"),
        (Source("table.csv", columns={"site": "where"}), "no column 'where'"),
        (Source("table.csv", columns={"age": "region"}), "row 2: expected an age in years, but got 'back'"),
        (Source("table.txt"), "There is no table"),
        (Source("table.xlsx"), r"Expected a table \.csv or \.parquet"),
        (Source("broken.csv"), "more cells than columns, or a quote that is not closed"),
        (Source("broken.parquet"), "cannot read it"),
        (Source("nameless.csv"), "expected an image column"),
        (Source("empty.csv"), "has no rows"),
        (Source("commas.csv"), "more cells than columns"),
        (Source("wordless.csv"), "no column with captions"),
        (Source("unnamed.csv"), "row 3: the cell 'filename' is empty"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path: Path, source: Source, reason: str) -> None:
    write(tmp_path, LABELLED)
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    (tmp_path / "broken.csv").write_text('filename,caption\na.png,"red\n')
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "nameless.csv").write_text("picture,caption\na.png,red\n")
    (tmp_path / "empty.csv").write_text("filename,caption\n")
    (tmp_path / "commas.csv").write_text("filename,caption\na.png,red, scaly\n")
    (tmp_path / "wordless.csv").write_text("filename,text\na.png,red\n")
    (tmp_path / "unnamed.csv").write_text("filename,caption\na.png,red\n,blue\n")
    with pytest.raises(PretrainingDataError, match=reason):
        read_source(source, tmp_path)


def test_labels_that_are_left_out_are_never_seen(tmp_path: Path) -> None:
    sources = [{"table": "table.csv", "split": "train"}]
    write(tmp_path, LABELLED)
    records = read_records(config(train=sources, leave_out=["melanoma"]), tmp_path)
    assert {record.case.label for record in records if record.case} == {"nevus"}
    with pytest.raises(PretrainingDataError, match="melanma"):
        read_records(config(train=sources, leave_out=["melanma"]), tmp_path)
