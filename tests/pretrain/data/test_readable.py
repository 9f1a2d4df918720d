"""Whether the images of a run can be read: most of a table that cannot be stops it before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from zsderm import PretrainingDataError
from zsderm.pretrain.data.readable import check_draws, check_records
from zsderm.pretrain.data.records import Record


@pytest.fixture
def records(tmp_path: Path) -> Callable[..., list[Record]]:
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"not an image")

    def made(good: int = 0, bad: int = 0, gone: int = 0, table: str = "t.csv") -> list[Record]:
        names = ["good.png"] * good + ["bad.png"] * bad + ["gone.png"] * gone
        return [Record(tmp_path / name, 1.0, table=table) for name in names]

    return made


@pytest.mark.parametrize(
    ("good", "bad", "gone", "reason"),
    [
        (0, 0, 6, r"6 of the 6 images of t\.csv cannot be read\. There is no file .*gone\.png"),
        (2, 0, 3, r"3 of the 5 images of t\.csv cannot be read"),
        (0, 6, 0, r"6 of the 6 images of t\.csv that were tried cannot be read\. .*bad\.png: not an image"),
        (2, 3, 0, r"3 of the 5 images of t\.csv that were tried"),
    ],
)
def test_most_images_that_cannot_be_read_are_named_with_a_reason(
    records: Callable[..., list[Record]], tmp_path: Path, good: int, bad: int, gone: int, reason: str
) -> None:
    with pytest.raises(PretrainingDataError, match=f"{reason}.*The data folder is {tmp_path}"):
        check_records(records(good, bad, gone), tmp_path)


def test_a_table_that_is_wholly_missing_is_found_among_others(
    records: Callable[..., list[Record]], tmp_path: Path
) -> None:
    with pytest.raises(PretrainingDataError, match=r"2 of the 2 images of other\.csv"):
        check_records([*records(good=10), *records(gone=2, table="other.csv")], tmp_path)


def test_a_few_that_are_missing_are_logged(
    records: Callable[..., list[Record]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_records(records(good=3, bad=1, gone=1), tmp_path)
    assert "1 of the 5 images of t.csv are not there" in caplog.text


def test_draws_stop_a_run_once_there_are_enough_of_them() -> None:
    check_draws(20, 43)
    check_draws(40, 40)
    with pytest.raises(PretrainingDataError, match="44 of the 64 images"):
        check_draws(20, 44)
