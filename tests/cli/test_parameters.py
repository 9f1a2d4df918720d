"""What the commands accept as a value, and what they say about what they do not accept."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from zsderm.cli.parameters import ClassList, ClassPrior, ResultFile, Setting
from zsderm.errors import ClassListError, InputError


def _classes(value: object) -> tuple[str, ...]:
    return ClassList().convert(str(value), None, None)


def test_class_names_may_be_written_out() -> None:
    assert _classes("melanoma, nevus ,  basal cell carcinoma,") == ("melanoma", "nevus", "basal cell carcinoma")
    assert _classes("melanoma") == ("melanoma",)


def test_class_names_may_stand_in_lines_with_comments(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeff# six of them\nmelanoma\r\n\r\nnevus  # a mole\nbasal cell carcinoma, nodular\n".encode())
    assert _classes(path) == ("melanoma", "nevus", "basal cell carcinoma, nodular")


def test_class_names_may_stand_in_a_column(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text('id,class\n0,melanoma\n1,"keratosis, seborrheic"\n2,\n', encoding="utf-8")
    assert _classes(path) == ("melanoma", "keratosis, seborrheic")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "empty.txt", "found none"),
        (b"# nothing\n", "comments.txt", "found none"),
        (b"nevus\nmelanoma\nNEVUS\n", "twice.txt", "repeats: NEVUS, nevus"),
        (b"name\nnevus\n", "other.csv", "its columns are: name"),
        (b"\xff\xfe\x00n", "binary.txt", "UTF-8"),
    ],
)
def test_a_class_list_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, content: bytes, name: str, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClassListError, match=words):
        _classes(tmp_path / name)


def test_a_class_file_that_is_missing_is_not_taken_for_a_class() -> None:
    with pytest.raises(ClassListError, match="no such file"):
        _classes("nowhere/classes.txt")


@pytest.mark.parametrize("word", ["auto", "uniform"])
def test_a_prior_may_be_a_word(word: str) -> None:
    assert ClassPrior().convert(word, None, None) == word


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", "class,weight\nnevus,0.9\nmelanoma,0.1\n"),
        ("p.csv", "Class;Weight\r\nnevus;0,9\r\nmelanoma;0,1\r\n"),
        ("p.jsonl", '{"class": "nevus", "weight": 0.9}\n{"class": "melanoma", "weight": 0.1}\n'),
        ("p.json", '{"nevus": 0.9, "melanoma": 0.1}'),
    ],
)
def test_a_prior_may_be_a_file(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert ClassPrior().convert(str(tmp_path / name), None, None) == {"nevus": 0.9, "melanoma": 0.1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", "class,share\nnevus,1\n"),
        ("p.csv", "class,weight\nnevus,much\n"),
        ("p.csv", "class,weight\nnevus\n"),
        ("p.csv", ""),
        ("p.csv", "class,weight\nnevus,1\nnevus,2\n"),
        ("p.json", "[1, 2]"),
        ("p.json", "{"),
        ("p.json", '{"nevus": null}'),
    ],
)
def test_a_prior_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"expected .* in .*p\.(csv|json)"):
        ClassPrior().convert(str(tmp_path / name), None, None)


def test_a_result_file_says_its_format_and_may_lie_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "newer" / "REPORT.HTML"
    assert ResultFile(".html").convert(str(path), None, None) == path


@pytest.mark.parametrize("name", ["report.pdf", "report", "folder.html", "file/report.html"])
def test_a_result_file_that_cannot_be_written_is_wrong_usage(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(click.UsageError):
        ResultFile(".html").convert(str(tmp_path / name), None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs=1", ("epochs", 1)),
        ("lr=3e-4", ("lr", 3e-4)),
        ("freeze=true", ("freeze", True)),
        ("name=a=b", ("name", "a=b")),
        ("name=", ("name", "")),
    ],
)
def test_a_setting_is_json_if_it_parses_and_text_otherwise(text: str, expected: tuple[str, object]) -> None:
    assert Setting().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["epochs", "=1", ""])
def test_a_setting_without_key_or_equals_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.UsageError, match="expected key=value"):
        Setting().convert(text, None, None)
