"""What the commands accept as a value, and what they say about what they do not accept."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from zsderm.cli.parameters import ClassList, ClassPrior, ResultFile, ResultFolder, Setting
from zsderm.errors import ClassListError, FallbackWarning, InputError, SettingsError


def _classes(value: object) -> tuple[str, ...]:
    return ClassList().convert(str(value), None, None)


def test_class_names_may_be_written_out() -> None:
    assert _classes("melanoma, nevus ,  basal cell carcinoma,") == ("melanoma", "nevus", "basal cell carcinoma")
    assert ClassList(least=1).convert("melanoma", None, None) == ("melanoma",)
    assert _classes("黑色素瘤，痣、 皮赘") == ("黑色素瘤", "痣", "皮赘")  # commas of Chinese keyboards


def test_class_names_may_stand_in_lines_with_comments(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(
        "\ufeff# six of them\nmelanoma\r\n\r\nnevus\n#\n#1 melanoma\nC# minor\nbasal cell carcinoma, nodular\n".encode()
    )
    assert _classes(path) == ("melanoma", "nevus", "#1 melanoma", "C# minor", "basal cell carcinoma, nodular")


def test_what_may_have_been_meant_as_a_comment_is_said(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("nevus  # a mole\nmelanoma\n", encoding="utf-8")
    with pytest.warns(FallbackWarning, match="'nevus  # a mole' is read as the name"):
        assert _classes(path) == ("nevus # a mole", "melanoma")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.tsv", b"class\tx\nnevus, blue\t1\ntwo  lines\t2\n"),
        ("names.csv", b'class\n"nevus, blue"\n"two\nlines"\n'),
        ("names.json", b'["nevus, blue", "two lines"]'),
        ("order.json", b'{"1": "two lines", "0": "nevus, blue"}'),
        ("names.txt", "nevus, blue\ntwo lines\n".encode("utf-16")),
    ],
)
def test_class_names_may_stand_in_files_of_several_kinds(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert _classes(tmp_path / name) == ("nevus, blue", "two lines")


def test_more_names_than_a_file_name_has_letters_are_names() -> None:
    names = tuple(f"long disease name {number}" for number in range(40))
    assert _classes(", ".join(names)) == names


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("nowhere/classes.txt", "no such file"),
        ("my classes.txt", "no such file"),
        ("./classes", "no such file"),
        ("classes.jsonl", "no such file"),
        ("C:\\data\\classes", "no such file"),
        ("tests", "a folder"),
        ("tests/", "a folder"),
        ("tests/classes", "no such file"),
        ("/dev/null", "no regular file"),
        ("-", "standard input"),
        ("x" * 300 + ".txt", "no such file"),
    ],
)
def test_what_looks_like_a_path_and_is_no_file_is_not_taken_for_a_class(text: str, there: str) -> None:
    with pytest.raises(ClassListError, match=f"looks like a path, and there is {there}.*Check the path; or write"):
        ClassList(least=1).convert(text, None, None)
    with pytest.raises(click.UsageError, match=f"there is {there}"):
        ClassPrior().convert(text, None, None)


def test_one_class_would_be_the_answer_for_everything() -> None:
    for classes in ("melanoma", "melanoma,"):
        with pytest.raises(ClassListError, match="at least 2 classes, but got only 'melanoma'"):
            _classes(classes)


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
        ("nævus café\nwart\nnævus cafe\u0301\n".encode(), "accents.txt", "repeats: nævus cafe\u0301, nævus café"),
        (b"name\nnevus\n", "other.csv", "its columns are: name"),
        (b"\xff\xfe\x00", "binary.txt", "UTF-8"),
        (b"\x00\x01\x02", "zeros.txt", "UTF-8"),
        (b"[" * 100_000, "deep.json", "cannot read it"),
        (b'{"0": "nevus", "2": "melanoma"}', "gap.json", "every number from 0"),
    ],
)
def test_a_class_list_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, content: bytes, name: str, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClassListError, match=words):
        _classes(tmp_path / name)


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
        ("p.json", '{"nevus": 1, "nevus": 2}'),
        ("p.json", "[" * 100_000),
        ("p.csv", "class,weight\nnevus,1\nnevus,2\n"),
        ("p.csv", "class,weight\nnevus,-1\n"),
        ("p.csv", "class,weight\nnevus,inf\n"),
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


def test_a_new_folder_is_one_in_which_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for folder, error in ((tmp_path / "full", SettingsError), (tmp_path / "full" / "file", click.UsageError)):
        with pytest.raises(error):
            ResultFolder(new=True).convert(str(folder), None, None)
    assert ResultFolder(new=False).convert(str(tmp_path / "full"), None, None) == tmp_path / "full"


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


@pytest.mark.parametrize("value", ["nevus;melanoma", "nevus | melanoma"])
def test_another_sign_between_names_is_told_to_be_a_comma(value: str) -> None:
    with pytest.raises(ClassListError, match=r"Write commas between names: 'nevus, melanoma'"):
        _classes(value)
