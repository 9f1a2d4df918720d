"""What is given as images: files and folders without an option, lists of them, and what leads nowhere."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main
from zsderm.cli.image_sources import images_meant, once
from zsderm.errors import ImageError

CLASSES = ("-c", "melanoma, nevus", "--method", "templates")
Run = Callable[..., Result]


@pytest.fixture
def run(run_beside_photos: Run) -> Run:
    return run_beside_photos


def images_in(done: Result) -> list[str]:
    assert done.exit_code == 0, done.output
    return [Path(row["image"]).name for row in csv.DictReader(io.StringIO(done.stdout))]


def test_images_stand_without_an_option_beside_short_options(run: Run) -> None:
    done = run("classify", "photos/b.jpg", *CLASSES, "photos/a.jpg", "--images", "photos/c.jpg", "-o", "p.csv")
    assert done.exit_code == 0, done.output
    with Path("p.csv").open(encoding="utf-8") as file:
        assert [row["image"] for row in csv.DictReader(file)] == [f"photos/{name}.jpg" for name in "bac"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [("embed", "photos", "-o", "rows.npy"), ("annotate", "photos/a.jpg", "-o", "concepts.csv")],
    ids=lambda command: command[0],
)
def test_every_command_takes_them(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.exit_code == 0 and f"Written: {command[-1]}" in done.stderr


@pytest.mark.parametrize("command", ["classify", "calibrate", "annotate", "embed", "export"])
def test_every_command_says_so_in_its_help(command: str) -> None:
    assert "[IMAGE]..." in CliRunner().invoke(main, [command, "--help"]).stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.txt", b"photos/b.jpg\r\n\r\nphotos/a.jpg\r\n"),
        ("list.txt", "photos/b.jpg\nphotos/a.jpg".encode("utf-16")),
        ("list.csv", b"dx,filename\nmel,photos/b.jpg\nnv,photos/a.jpg\n"),
        ("photos/list.csv", b"image\nb.jpg\na.jpg\n"),  # beside the list
        ("photos/list.txt", b"photos/b.jpg\nphotos/a.jpg\n"),  # from the folder one is in
        ("zero.txt", b"photos/b.jpg\0photos/a.jpg\0"),
        ("names", b"photos/b.jpg\nphotos/a.jpg\n"),
        ("list.txt", b"# mine\n  photos/b.jpg\t\n#\nphotos/a.jpg \r\n"),
        ("photos/list.txt", b"\"b.jpg\"\n'a.jpg'\n"),
    ],
    ids=["text", "utf-16", "csv", "beside", "from here", "print0", "no suffix", "blanks and comments", "quotes"],
)
def test_a_list_is_read_in_its_order(run: Run, name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    given = [("--images", f"@{name}"), (f"@{name}",)] + ([(name,)] if "." in name else [])
    assert [images_in(run("classify", *how, *CLASSES)) for how in given] == [["b.jpg", "a.jpg"]] * len(given)


@pytest.mark.parametrize("how", [("-",), ("--images", "-")])
def test_names_come_from_standard_input(run: Run, how: tuple[str, ...]) -> None:
    assert images_in(run("classify", *how, *CLASSES, input=b"photos/c.jpg\nphotos/a.jpg\n")) == ["c.jpg", "a.jpg"]


def test_standard_input_is_read_once(run: Run) -> None:
    done = run("classify", "-", "-", *CLASSES, input=b"photos/c.jpg\n")
    assert done.exit_code == 2 and "standard input (-) is named twice" in done.stderr


def test_a_table_on_standard_input_is_told_how_it_is_read(run: Run) -> None:
    done = run("classify", "-", *CLASSES, input=b"image,dx\nphotos/c.jpg,nv\n")
    assert done.exit_code == 1 and "A table is read from a file: save it, and name the file." in done.stderr


@pytest.mark.parametrize("name", [" a.jpg ", "'a.jpg'", "# a.jpg"])
def test_a_name_that_has_blanks_quotes_or_a_hash_is_found(run: Run, name: str) -> None:
    os.rename("photos/a.jpg", name)
    Path("list.txt").write_text(f"{name}\n", encoding="utf-8")
    done = run("classify", "list.txt", *CLASSES)
    assert "1 image, 1 classified" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_utf8_is_found(run: Run) -> None:
    os.rename("photos/a.jpg", b"photos/\xe9.jpg")
    done = run("classify", "-", *CLASSES, input=b"photos/\xe9.jpg\n")
    assert done.exit_code == 0 and "1 image, 1 classified" in done.stderr


def test_a_file_that_begins_like_a_list_is_the_file(run: Run) -> None:
    os.rename("photos/a.jpg", "@a.jpg")
    assert images_in(run("classify", "@a.jpg", *CLASSES)) == ["'@a.jpg"]  # no formula for a spreadsheet


def test_an_image_of_a_list_that_is_not_there_is_a_row_with_a_reason(run: Run) -> None:
    Path("list.txt").write_text("photos/a.jpg\nphotos/gone.jpg\n", encoding="utf-8")
    done = run("classify", "list.txt", *CLASSES)
    assert images_in(done) == ["a.jpg", "gone.jpg"] and "gone.jpg: no such file" in done.stderr


def test_an_image_that_is_named_twice_is_taken_once_with_a_note(run: Run, tmp_path: Path) -> None:
    done = run("classify", "photos", *CLASSES, "--images", "photos/a.jpg", "--images", tmp_path / "photos" / "b.jpg")
    assert images_in(done) == ["a.jpg", "b.jpg", "c.jpg"]
    assert "Note: 2 images were named more than once; each is taken once." in done.stderr
    done = run("embed", "photos/a.jpg", "./photos/../photos/a.jpg", "-o", "rows.npy")
    assert "1 of 1 image embedded" in done.stderr and len(np.load("rows.npy")) == 1


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("photos/*.png", "there is no image or folder 'photos/*.png': no file matches it. Check the folder"),
        ("fotos", "there is no image or folder 'fotos'. Check the spelling"),
        ("photos/z.jpg", "there is no image or folder 'photos/z.jpg'. Check the spelling"),
        ("melanoma, nevus", "Classes are written after -c: -c 'melanoma, nevus'."),
        ("@gone.txt", "there is no list of images 'gone.txt'"),
        ("classes.txt", "not one of the 2 paths in the list of images from 'classes.txt' is there"),
        ("empty.txt", "the list of images from 'empty.txt' is empty"),
        ("labels.csv", "expected an image column in labels.csv"),
    ],
)
def test_what_leads_nowhere_is_one_sentence(run: Run, argument: str, said: str) -> None:
    Path("classes.txt").write_text("melanoma\nnevus\n", encoding="utf-8")
    Path("empty.txt").write_text("\n", encoding="utf-8")
    Path("labels.csv").write_text("dx\nmel\n", encoding="utf-8")
    done = run("classify", argument, *CLASSES)
    assert done.exit_code == 1 and said in done.stderr and done.stderr.count("\n") == 1


def test_no_images_at_all_is_wrong_usage(run: Run) -> None:
    done = run("classify", *CLASSES)
    assert done.exit_code == 2 and "Missing images: name image files or folders" in done.stderr


def test_an_output_is_not_the_list_it_is_made_from(run: Run) -> None:
    Path("list.csv").write_text("image\nphotos/a.jpg\n", encoding="utf-8")
    for how in (("@list.csv", "-o", "list.csv"), ("list.csv", "-olist.csv")):
        done = run("classify", *how, *CLASSES)
        assert done.exit_code == 2 and "is an input and an output" in done.stderr


def test_an_empty_list_of_arguments_means_nothing() -> None:
    assert images_meant((), ()) == ()
    with pytest.raises(ImageError, match="no image or folder"):
        images_meant(("/nowhere",))


@pytest.mark.slow
def test_the_package_runs_as_a_module_and_completes_names_for_a_shell(tmp_path: Path) -> None:
    def output(arguments: list[str], **words: str) -> str:
        environment = {**os.environ, **words}
        done = subprocess.run(
            [sys.executable, "-m", "zsderm", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert output(["--help"]).startswith("Usage: zsderm [OPTIONS] COMMAND")
    asked = {"_ZSDERM_COMPLETE": "bash_complete", "COMP_WORDS": "zsderm classify --min", "COMP_CWORD": "2"}
    assert output([], **asked) == "plain,--min-probability\n"
    assert output([], **asked | {"COMP_WORDS": "zsderm classify ./"}) == "file,./\n"


def test_names_that_differ_only_in_signs_nobody_sees_are_several_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["a.jpg", "a\r.jpg", "a.jpg\r", "a\u00a0.jpg", "a\u200b.jpg", "a .jpg"]
    assert list(once([str(tmp_path / name) for name in names])) == [str(tmp_path / name) for name in names]
    assert capsys.readouterr().err == ""
    assert list(once(f"{tmp_path}/{folder}a\r.jpg" for folder in ("", "./", "b/../"))) == [f"{tmp_path}/a\r.jpg"]
    assert "2 images were named more than once" in capsys.readouterr().err
