"""From a table of captions to one that pretraining reads, and back."""

from __future__ import annotations

import csv
import io
import tarfile
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from zsderm import InputError, PretrainingDataError, SettingsError
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.sources import read_source
from zsderm.pretrain.extraction.answer import Answer
from zsderm.pretrain.extraction.reading import CaptionReader
from zsderm.pretrain.extraction.rules import RuleEngine
from zsderm.pretrain.extraction.table import MOST_FAILURES, Summary, extract_table, spoken

ROWS = [
    ("a.png", "Scaly brown plaque of seborrhoeic keratosis on the back. No crust."),
    ("sub/b.png", "A red patch"),
    ("c.png", ""),
]


def write(path: Path, rows: list[tuple[str, str]] = ROWS) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "caption"), *rows])
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def run(folder: Path, reader: CaptionReader, captions: Path, **more: object) -> Summary:
    engine = more.pop("engine", RuleEngine(reader))
    return extract_table(captions, folder / "out.csv", folder / "rejected.csv", engine, reader, **more)  # type: ignore[arg-type]


def test_the_table_is_one_that_pretraining_reads(tmp_path: Path, reader: CaptionReader) -> None:
    summary = run(tmp_path, reader, write(tmp_path / "in.csv"))
    first, second, third = read_source(Source("out.csv"), tmp_path)
    assert first.captions[:4] == (
        "Scaly brown plaque of seborrhoeic keratosis on the back. No crust.",
        "neoplasm, benign neoplasm, benign keratinocytic neoplasm, seborrheic keratosis",
        "plaque, scale, brown",
        "Scaly brown plaque of seborrhoeic keratosis on the back",
    )
    assert second.captions[:4] == ("A red patch", "", "patch, erythema", "A red patch") and not any(third.captions)
    assert second.path == tmp_path / "sub" / "b.png"
    assert (summary.rows, summary.diseases, summary.concepts, summary.sub_captions) == (3, 1, 5, 2)


def test_columns_and_masks_are_those_of_the_published_format(tmp_path: Path, reader: CaptionReader) -> None:
    run(tmp_path, reader, write(tmp_path / "in.csv"))
    first, second, _ = rows_of(tmp_path / "out.csv")
    assert first["knowledge_masks"] == "[1, 1, 1]" and second["knowledge_masks"] == "[1, 0, 1]"
    assert first["sub_caption_mask"] == "[1, 0, 0, 0, 0, 0, 0, 0]" and first["sub_captions"] == "1"
    assert first["ontology_path"] == "neoplasm > benign neoplasm > benign keratinocytic neoplasm"
    assert second["disease"] == "no definitive diagnosis"
    assert first["concepts"] == "plaque; scale; brown(hyperpigmentation)"


def test_every_rejection_is_a_row_with_a_reason(tmp_path: Path, reader: CaptionReader) -> None:
    summary = run(tmp_path, reader, write(tmp_path / "in.csv"))
    rejected = [(r["row"], r["kind"], r["term"], r["reason"]) for r in rows_of(tmp_path / "rejected.csv")]
    assert rejected == [
        ("2", "concept", "crust", "the caption denies it"),
        ("2", "sub-caption", "No crust", "it only says what is not there"),
        ("4", "caption", "", "there is no caption"),
    ]
    assert summary.rejected.total() == 3


def test_a_table_elsewhere_still_names_its_images(tmp_path: Path, reader: CaptionReader) -> None:
    run(tmp_path, reader, write(tmp_path / "data" / "in.csv"))
    assert [row["filename"] for row in rows_of(tmp_path / "out.csv")] == ["data/a.png", "data/sub/b.png", "data/c.png"]


def test_further_columns_go_along_but_labels_do_not(tmp_path: Path, reader: CaptionReader) -> None:
    frame = pd.DataFrame(
        [{"filename": "a.png", "truncated_caption": "A red patch", "split": "train", "label": "eczema"}]
    )
    frame.to_parquet(tmp_path / "in.parquet")
    run(tmp_path, reader, tmp_path / "in.parquet")
    (row,) = rows_of(tmp_path / "out.csv")
    assert row["split"] == "train" and row["caption"] == "A red patch" and "label" not in row
    assert len(read_source(Source("out.csv", split="train"), tmp_path)) == 1


def test_a_table_without_captions_is_refused_and_nothing_is_written(tmp_path: Path, reader: CaptionReader) -> None:
    (tmp_path / "in.csv").write_text("filename,text\na.png,red\n")
    with pytest.raises(PretrainingDataError, match="no column 'caption'"):
        run(tmp_path, reader, tmp_path / "in.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_file_is_not_read_and_written_at_once(tmp_path: Path, reader: CaptionReader) -> None:
    captions = write(tmp_path / "in.csv")
    (tmp_path / "other.csv").symlink_to(captions)
    before, out = captions.read_text(), tmp_path / "out.csv"
    for output, rejected in ((captions, out), (out, captions), (out, out), (tmp_path / "other.csv", out)):
        with pytest.raises(SettingsError, match="lost"):
            extract_table(captions, output, rejected, RuleEngine(reader), reader)
    assert captions.read_text() == before and not out.exists()


def test_columns_that_are_written_anew_are_told(tmp_path: Path, reader: CaptionReader) -> None:
    rows = [("image", "caption", "disease", "label", "site"), ("a.png", "a red patch", "mine", "x", "arm")]
    (tmp_path / "in.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    assert run(tmp_path, reader, tmp_path / "in.csv").replaced == ("disease", "label")
    (row,) = rows_of(tmp_path / "out.csv")
    assert (row["filename"], row["image"], row["site"]) == ("a.png", "a.png", "arm")


@pytest.mark.parametrize("text", ["=1+1", "@cmd", "\x1b[31mred", "red\rblue spot"])
def test_what_a_caption_holds_steers_no_other_program(tmp_path: Path, reader: CaptionReader, text: str) -> None:
    pd.DataFrame({"filename": ["a.png"], "caption": ["a red patch"], "note": [text]}).to_parquet(
        tmp_path / "in.parquet"
    )
    run(tmp_path, reader, tmp_path / "in.parquet")
    content = (tmp_path / "out.csv").read_text()
    assert "\x1b" not in content and len(pd.read_csv(tmp_path / "out.csv")) == len(rows_of(tmp_path / "out.csv")) == 1
    assert not rows_of(tmp_path / "out.csv")[0]["note"].startswith(("=", "@"))


def test_samples_without_words_are_rejected_and_the_others_taken_apart(tmp_path: Path, reader: CaptionReader) -> None:
    with tarfile.open(tmp_path / "in.tar", "w") as tar:
        for name, content in (("0.png", b"x"), ("1.png", b"x"), ("1.json", b'{"caption": "a red patch"}')):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    run(tmp_path, reader, tmp_path / "in.tar")
    assert [row["filename"] for row in rows_of(tmp_path / "out.csv")] == ["1.png"]
    (refused,) = rows_of(tmp_path / "rejected.csv")
    assert refused["row"] == "1" and "expected an image and a .json file" in refused["detail"]


class Counting:
    """An engine that notes how many captions are under way; later ones are answered first."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()

    def extract(self, caption: str) -> Answer:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01 if int(caption) % 2 else 0.03)
        with self.lock:
            self.now -= 1
        return Answer(sub_captions=(f"number {caption}",))


def test_several_captions_are_under_way_and_the_order_is_kept(tmp_path: Path, reader: CaptionReader) -> None:
    captions = write(tmp_path / "in.csv", [(f"{n}.png", str(n)) for n in range(30)])
    engine = Counting()
    run(tmp_path, reader, captions, engine=engine, workers=4)
    assert [row["subcaption_1"] for row in rows_of(tmp_path / "out.csv")] == [f"number {n}" for n in range(30)]
    assert 2 <= engine.most <= 4


class Failing:
    """An engine that fails on some captions."""

    def __init__(self, *bad: str) -> None:
        self.bad = bad

    def extract(self, caption: str) -> Answer:
        if caption in self.bad:
            raise InputError("the endpoint did not answer")
        return Answer(concepts=("scale",))


def test_a_caption_that_fails_is_a_row_with_the_caption_alone(tmp_path: Path, reader: CaptionReader) -> None:
    captions = write(tmp_path / "in.csv", [(f"{n}.png", str(n)) for n in range(30)])
    summary = run(tmp_path, reader, captions, engine=Failing("3", "7"), workers=2)
    rows = rows_of(tmp_path / "out.csv")
    assert [n for n, row in enumerate(rows) if row["knowledge_masks"] == "[1, 0, 0]"] == [3, 7]
    assert summary.rejected == {("reply", "the engine did not answer"): 2}


def test_many_failures_in_a_row_stop_the_run_and_nothing_is_written(tmp_path: Path, reader: CaptionReader) -> None:
    captions = write(tmp_path / "in.csv", [(f"{n}.png", str(n)) for n in range(30)])
    with pytest.raises(InputError, match="did not answer"):
        run(tmp_path, reader, captions, engine=Failing(*map(str, range(MOST_FAILURES))))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_concepts_are_written_as_one_says_them() -> None:
    assert [spoken(name) for name in ("brown(hyperpigmentation)", "warty/papillomatous", "scale")] == [
        "brown",
        "warty",
        "scale",
    ]
