"""Every cell is text until a number is wanted, whatever program wrote the file."""

from __future__ import annotations

import datetime
import json
import os
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from zsderm.errors import FallbackWarning, InputError, SettingsError
from zsderm.table_files import FACTS_KEY, is_unknown, numbers, plain, read_cells, whole_numbers, write_table

IDS = ["007", "01", "0e1", "12345678901234567890", "172.0", "NA", "nan", "None", ""]


def _written(path: Path, ids: list[str]) -> Path:
    frame = pd.DataFrame({"id": ids, "value": ["0.1"] * len(ids)})
    match path.suffix:
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        case ".parquet":
            frame.to_parquet(path)
        case _:
            frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_cell_is_what_stands_in_the_file(tmp_path: Path, suffix: str) -> None:
    assert read_cells(_written(tmp_path / f"table.{suffix}", IDS))["id"].tolist() == IDS


def test_numbers_of_jsonl_and_parquet_keep_every_digit(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"id": 12345678901234567, "p": 0.10, "none": null}\n{"id": 2}\n')
    table = read_cells(tmp_path / "t.jsonl")
    assert table.to_dict("list") == {"id": ["12345678901234567", "2"], "p": ["0.10", ""], "none": ["", ""]}
    frame = pd.DataFrame({"id": pd.array([12345678901234567, None], dtype="Int64"), "p": np.float32([0.1, np.nan])})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_cells(tmp_path / "t.parquet")
    assert table["id"].tolist() == ["12345678901234567", ""]
    assert float(table["p"][0]) == float(np.float32(0.1)) and table["p"][1] == ""


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("image,label\nCafé.jpg,näevus\n", "utf-8"),
        ("image,label\r\nCafé.jpg,näevus\r\n", "utf-8-sig"),
        ("image;label\nCafé.jpg;näevus\n", "utf-16"),
        ("image\tlabel\nCafé.jpg\tnäevus\n", "utf-8"),
        (' image ,"label"\nCafé.jpg,näevus', "utf-8"),
        ("image,label\rCafé.jpg,näevus\r", "utf-8"),
        ("sep=;\r\nimage;label\r\nCafé.jpg;näevus\r\n", "utf-8-sig"),
        ('image, label\nCafé.jpg, "näevus"\n', "utf-8"),
        ("\n\nimage,label\n\nCafé.jpg,näevus\n,\n,\n", "utf-8"),
        ("ima\u0067e,label\nCafe\u0301.jpg,näevus\n", "utf-8"),
    ],
)
def test_separators_and_encodings_are_found(tmp_path: Path, content: str, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))
    cells = read_cells(tmp_path / "t.csv").to_dict("list")
    assert {name: [plain(cell) for cell in column] for name, column in cells.items()} == {
        "image": ["Café.jpg"],
        "label": ["näevus"],
    }


def test_the_separator_is_the_one_that_all_rows_agree_on(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image;basal, nodular, blue;red\na;0,5;0,5\nb;0,25;0,75\n")
    assert list(read_cells(tmp_path / "t.csv")) == ["image", "basal, nodular, blue", "red"]


def test_other_kinds_of_cells_in_parquet_are_text_too(tmp_path: Path) -> None:
    columns = {
        "bytes": pa.array([b"01", None]),
        "word": pa.array(["NA", "b"]).dictionary_encode(),
        "day": pa.array([datetime.datetime(2020, 1, 2), datetime.datetime(2020, 1, 2, 3)]),
        "float": pa.array([np.nan, 172.0]),
        "picture": pa.array([{"bytes": b"\xff"}, None]),
    }
    folder = tmp_path / "bytes=7"  # not a column: the file is read alone
    folder.mkdir()
    parquet.write_table(pa.table(columns), folder / "t.parquet")
    cells = read_cells(folder / "t.parquet").to_dict("list")
    assert cells["bytes"] == ["01", ""] and cells["word"] == ["NA", "b"] and cells["float"] == ["", "172.0"]
    assert cells["day"] == ["2020-01-02", "2020-01-02 03:00:00"] and cells["picture"][1] == ""


def test_json_lines_end_where_the_line_ends_and_nan_is_no_value(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"id": NaN, "text": "a\u2028b\u0085c"}\n{"id": "NaN"}\n', encoding="utf-8")
    assert read_cells(tmp_path / "t.jsonl").to_dict("list") == {"id": ["", "NaN"], "text": ["a\u2028b\u0085c", ""]}


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_holds_for_all_rows_is_written_with_them(tmp_path: Path, suffix: str) -> None:
    frame, facts = pd.DataFrame({"image": ["a", "b"]}), {"classes": ["x", "y"], "manifest": {"loss": np.nan}}
    path = tmp_path / f"t.{suffix}"
    write_table(frame, path, facts)
    if suffix == "jsonl":
        first, second = (json.loads(line) for line in path.read_text().splitlines())
        assert first == {"image": "a", "classes": ["x", "y"], "manifest": {"loss": None}} and second == {"image": "b"}
    else:
        said = json.loads(parquet.read_schema(path).metadata[FACTS_KEY])
        assert said == {"classes": ["x", "y"], "manifest": {"loss": None}}
    assert read_cells(path).to_dict("list") == {"image": ["a", "b"]}


def test_a_table_with_tabs_is_written_and_read_but_has_no_place_for_facts(tmp_path: Path) -> None:
    frame, path = pd.DataFrame({"image": ["a\tb", "=1"], "n": [1, 2]}), tmp_path / "t.TSV"
    with pytest.raises(SettingsError, match=r"ending in \.csv, \.jsonl, \.parquet, but"):
        write_table(frame, path, {"classes": ["x", "y"]})
    write_table(frame, path)
    assert path.read_text("utf-8").startswith("image\tn\n")
    assert read_cells(path).to_dict("list") == {"image": ["a\tb", "=1"], "n": ["1", "2"]}


def test_what_is_not_utf8_is_read_as_windows_1252_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("image\nCafé.jpg\n".encode("cp1252"))
    with pytest.warns(FallbackWarning, match="not UTF-8"):
        assert read_cells(tmp_path / "t.csv")["image"].tolist() == ["Café.jpg"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("more cells than columns.csv", "image,label\n1.jpg,nevus, blue\n"),
        ("more cells later.csv", "image,label\n1.jpg,nevus\n2.jpg,a,b\n"),
        ("open quote.csv", 'image,label\n"1.jpg,nevus\n'),
        ("no object.jsonl", "[1, 2]\n"),
        ("no json.jsonl", "{image\n"),
        ("nothing.parquet", "nothing"),
        ("empty.csv", ""),
        ("twice.jsonl", '{"image": 1, " image": 2}\n'),
        ("twice in one.jsonl", '{"image": 1, "image": 2}\n'),
        ("twice.csv", "image,label,label\n1,2,3\n"),
        ("deep.jsonl", "[" * 100_000),
        ("no text.csv", "image,label\n1.jpg,a\0b\n"),
        ("compressed.csv", "\x1f\x8b\x08"),
        ("spreadsheet.xlsx", "PK\x03\x04"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="expected") as caught:
        read_cells(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_row_that_ends_early_has_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,label\n1.jpg\n")
    assert read_cells(tmp_path / "t.csv")["label"].tolist() == [""]


def test_numbers_are_read_when_they_are_wanted_and_what_is_none_is_pointed_out() -> None:
    values, wrong = numbers([" 0.25", "0,25", "1e-3", "", "NA", "high"])
    assert values[:3].tolist() == [0.25, 0.25, 0.001] and np.isnan(values[3:]).all()
    assert wrong.tolist() == [False] * 5 + [True]


def test_unknown_is_said_in_the_same_words_everywhere() -> None:
    assert is_unknown(["", "NA", "n/a", "None", "unknown ", "nan"]).all()
    assert not is_unknown(["0", "nevus", "01"]).any()


def test_whole_numbers_lose_the_point_only_if_all_of_them_have_it() -> None:
    assert whole_numbers(["3.0", "", "12.0"]) == ["3", "", "12"]
    assert whole_numbers(["3.0", "01"]) == ["3.0", "01"]


def test_what_may_never_end_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "sparse.csv").touch()
    os.truncate(tmp_path / "sparse.csv", 200 * 10**9)
    for path, words in ((Path("/dev/zero"), "no regular file"), (tmp_path / "sparse.csv", "larger than 1024 MiB")):
        with pytest.raises(InputError, match=words):
            read_cells(path)


def test_a_pipe_may_hold_a_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("image,label\na.jpg,nevus\n",))
    writer.start()
    assert read_cells(tmp_path / "pipe").to_dict("list") == {"image": ["a.jpg"], "label": ["nevus"]}
    writer.join()
