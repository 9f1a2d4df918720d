"""Tables as people have them: every encoding, separator and usual column, read as every command reads them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from zsderm import PretrainingDataError, SettingsError
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.sources import read_rows, read_source
from zsderm.pretrain.data.validation import validate

CAPTION = "a rosé plaque, scaly"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("ISIC_01.png", "sub/b.png", "café.png"):
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("t.csv", f'filename,caption\nISIC_01.png,"{CAPTION}"\n', "utf-8"),
        ("t.csv", f'filename,caption\nISIC_01.png,"{CAPTION}"\n', "utf-8-sig"),
        ("t.csv", f'filename,caption\nISIC_01.png,"{CAPTION}"\n', "utf-16"),
        ("t.csv", f'filename,caption\nISIC_01.png,"{CAPTION}"\n', "cp1252"),
        ("t.csv", f"filename;caption\nISIC_01.png;{CAPTION}\n", "utf-8"),
        ("t.tsv", f"filename\tcaption\nISIC_01.png\t{CAPTION}\n", "utf-8"),
        ("t.csv", f'filename,caption\r\nISIC_01.png,"{CAPTION}"\r\n', "utf-8"),
        ("t.csv", f'filename,caption\rISIC_01.png,"{CAPTION}"\r', "utf-8"),
        ("t.csv", f'\n filename , caption\nISIC_01.png ,"{CAPTION}"\n\n', "utf-8"),
        ("t.csv", f'filename,caption,note\nISIC_01.png,"{CAPTION}"\n', "utf-8"),
        ("t.csv", 'filename,caption\nISIC_01.png,"a rosé\nplaque,  scaly"\n', "utf-8"),
        ("t.csv", f'image,caption\nISIC_01.png,"{CAPTION}"\n', "utf-8"),
        ("t.csv", f'Image Name,caption\nISIC_01.PNG,"{CAPTION}"\n', "utf-8"),
        ("t.csv", f'isic_id,caption\nISIC_01,"{CAPTION}"\n', "utf-8"),
        ("t.csv", f'image_id,caption\nisic_01,"{CAPTION}"\n', "utf-8"),
        ("t.csv", f'path,caption\n./sub/../ISIC_01.png,"{CAPTION}"\n', "utf-8"),
        ("t.jsonl", json.dumps({"img_id": "ISIC_01", "caption": CAPTION}), "utf-8"),
    ],
)
def test_a_table_is_read_whatever_program_wrote_it(folder: Path, name: str, content: str, encoding: str) -> None:
    (folder / name).write_bytes(content.encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (record,) = read_source(Source(name), folder)
    assert record.captions[0] == CAPTION and record.path.resolve() == folder / "ISIC_01.png"


@pytest.mark.parametrize("name", ["sub\\b.png", "sub/b", "SUB/b.png".lower(), "cafe\u0301.png", "café"])
def test_an_image_is_found_under_another_spelling_of_its_name(folder: Path, name: str) -> None:
    (folder / "t.csv").write_text(f"filename,caption\n{name},red\n", encoding="utf-8")
    assert not validate([Source("t.csv")], folder).problems


def test_cells_are_text_in_every_format(folder: Path) -> None:
    rows = {"filename": ["ISIC_01.png"] * 3, "label": ["01", "NA", "0e1"], "age": ["63", "63,5", "unknown"]}
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    pd.DataFrame(rows).to_parquet(folder / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        cases = [record.case for record in read_source(Source(name, columns={"age": "age"}), folder)]
        assert [(case.label, case.age) for case in cases if case] == [("01", 63), ("NA", 63), ("0e1", 0)]


def test_numbers_are_the_names_that_they_are_written_as(folder: Path) -> None:
    pd.DataFrame({"filename": [7], "caption": ["red"]}).to_parquet(folder / "t.parquet")
    (_, place), *_ = read_rows(Source("t.parquet"), folder)
    assert place.filename == "7"


@pytest.mark.parametrize("word", ["nan", "None", "null", "N/A", ""])
def test_a_missing_caption_is_no_word(folder: Path, word: str) -> None:
    (folder / "t.csv").write_text(f"filename,caption\nISIC_01.png,{word}\nsub/b.png,red\n")
    (problem,) = validate([Source("t.csv")], folder).problems
    assert (problem.row, problem.kind) == (2, "no caption")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("bild,caption\nISIC_01.png,red\n", "expected an image column in .* its columns are: bild, caption"),
        ("filename,caption\nISIC_01.png,red, scaly\n", "more cells than columns"),
        ("filename,caption\nISIC_01.png,red\nsub/b.png,red, scaly\n", "more cells than columns"),
        ('filename,caption\nISIC_01.png,"red\n', "a quote that is not closed"),
        ("", r"t\.csv"),
        ("filename,label,age\nISIC_01.png,nevus,old\n", "row 2: expected an age in years, but got 'old'"),
        ("filename,label,age\nISIC_01.png,nevus,-3\n", "row 2: expected an age in years, but got '-3'"),
        ("filename,label,age\nISIC_01.png, ,3\n", "row 2: the cell 'label' is empty"),
        ("image,caption\n,red\n", "row 2: the cell 'image' is empty"),
    ],
)
def test_a_table_that_cannot_be_used_says_where(folder: Path, content: str, reason: str) -> None:
    (folder / "t.csv").write_text(content)
    with pytest.raises(PretrainingDataError, match=reason):
        read_source(Source("t.csv", columns={"age": "age"} if "age" in content else {}), folder)


def test_a_modality_that_no_caption_is_worded_for_is_refused() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'dermoscopic'"):
        Source("t.csv", modality="dermoscopy")
