"""How much is said: as usual, all of it, or errors alone; and what is said of a command that was stopped."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main
from zsderm.cli.manual import pages

CLASSES = ("-c", "melanoma, nevus", "--method", "templates")
Run = Callable[..., Result]


@pytest.fixture
def run(run_beside_photos: Run) -> Run:
    """Runs ``zsderm`` in a folder with three photographs and a file that is none."""
    Path("photos/torn.jpg").write_bytes(b"\xff\xd8\xff")
    return run_beside_photos


@pytest.mark.parametrize("place", [0, 1, 2, 6])
def test_quiet_leaves_warnings_and_errors_wherever_it_stands(run: Run, place: int) -> None:
    arguments = ["classify", "photos", *CLASSES, "-o", "p.csv"]
    usual = run(*arguments)
    assert "4 images, 3 classified" in usual.stderr and "Written: p.csv" in usual.stderr
    done = run(*arguments[:place], "-q" if place else "--quiet", *arguments[place:])
    assert done.exit_code == 0 and Path("p.csv").is_file()
    assert done.stderr.count("\n") == 1 and "failed: photos/torn.jpg" in done.stderr
    assert run(*arguments[:place], "-q", *arguments[place:-1], "p.xlsx").exit_code == 2


def test_verbose_says_what_is_loaded_from_where_and_how_long_it_took(run: Run) -> None:
    for arguments in (("-v", "classify", "photos"), ("classify", "photos", "--verbose")):
        said = run(*arguments, *CLASSES).stderr
        lines = [line for line in said.splitlines() if line.startswith("zsderm: ")]
        assert any(re.fullmatch(r"zsderm: Loading zsderm-mini: \d+\.\d s", line) for line in lines), lines
        assert any("knowledge base dermatology (" in line and "knowledge_bases" in line for line in lines)
        assert any(line == "zsderm: 4 images found" for line in lines)
        assert any("images embedded, " in line and "cache" in line for line in lines)
    assert "zsderm: 1 image found\n" in run("-v", "classify", "photos/a.jpg", *CLASSES).stderr
    assert "zsderm: " not in run("classify", "photos", *CLASSES).stderr  # what was asked for once ends with the call


@pytest.mark.parametrize("command", [name for name, _ in pages(main, "zsderm")][1:])
def test_every_command_takes_both_after_its_name_and_refuses_them_together(command: str) -> None:
    names = command.split()[1:]
    for arguments in (["-v", *names, "-q"], [*names, "-v", "--quiet"], ["-qv", *names]):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 2 and "--verbose and --quiet exclude each other" in done.stderr, done.output


@pytest.mark.parametrize("place", [0, 1, 2])
def test_quiet_silences_a_command_in_a_group(place: int) -> None:
    arguments = ["kb", "show", "dermatology"]
    assert "checksum" in CliRunner().invoke(main, arguments).stderr
    done = CliRunner().invoke(main, [*arguments[:place], "-q", *arguments[place:]])
    assert (done.exit_code, done.stderr) == (0, "") and "melanoma" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [("audit", "--train", "photos", "--model", "tiny"), ("retrieve", "--index", "photos", "--query", "red")],
    ids=lambda command: command[0],
)
def test_verbose_says_how_long_the_encoder_took_to_load(run: Run, command: tuple[str, ...]) -> None:
    Path("photos/torn.jpg").unlink()
    assert "zsderm: Loading " in run(*command, "-v").stderr


def test_a_value_that_looks_like_a_flag_is_left_as_it_is(run: Run) -> None:
    done = run("classify", "photos", "--method", "-q", "-c", "a, b")
    assert done.exit_code == 2 and "'-q' is not one of" in done.stderr


@pytest.mark.parametrize("command", [("classify", *CLASSES), ("embed", "-o", "rows.npy"), ("annotate", "-o", "c.csv")])
def test_strict_ends_with_3_where_an_image_failed_once_all_is_written(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, "photos", "--strict")
    assert done.exit_code == 3 and "Error: 1 image failed; with --strict the exit code is 3." in done.stderr
    assert command[0] == "classify" or Path(command[-1]).is_file()
    assert run(*command, "photos/a.jpg", "photos/b.jpg", "--strict").exit_code == 0
    assert run(*command, "photos/torn.jpg", "--strict").exit_code == 1  # nothing at all was done


def test_answers_below_the_minimum_are_marked_and_counted(run: Run) -> None:
    def rows(*more: object) -> tuple[str, list[dict[str, str]]]:
        done = run("classify", "photos", *CLASSES, *more)
        assert done.exit_code == 0, done.output
        return done.stderr, list(csv.DictReader(io.StringIO(done.stdout)))

    _, plain = rows()
    assert "below_minimum" not in plain[0]
    chances = sorted(float(row["probability"]) for row in plain if row["probability"])
    minimum = (chances[0] + chances[1]) / 2
    said, marked = rows("--min-probability", minimum)
    assert "Note: 1 answer is less probable than" in said and "column below_minimum" in said
    for row in marked:
        low = bool(row["probability"]) and float(row["probability"]) < minimum
        assert row["below_minimum"] == str(low)
    assert [row["label"] for row in marked] == [row["label"] for row in plain]
    assert "below_minimum" not in rows("--min-probability", 0)[0]
    done = run("classify", "photos", *CLASSES, "--min-probability", 1, "--group-by", "folder", "-o", "p.csv")
    assert done.exit_code == 0 and ",below_minimum," in Path("p-groups.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(run: Run, tiny_encoder, monkeypatch, kept) -> None:
    encode, batches = type(tiny_encoder).encode_pixels, itertools.count()

    def stopped(self: object, pixels: object) -> object:
        if next(batches) == 1:
            raise KeyboardInterrupt
        return encode(self, pixels)

    monkeypatch.setattr(type(tiny_encoder), "encode_pixels", stopped)
    how = ("classify", "photos", *CLASSES, "--batch-size", "1", "-o", "p.csv")
    how = how if kept else (*how, "--no-cache")
    done = run(*how)
    assert done.exit_code == 130 and done.stderr.startswith("\nStopped. What was not complete was not written")
    assert ("are kept in" in done.stderr) is kept and not Path("p.csv").exists()
    assert ("zsderm embed" not in done.stderr) and done.stderr.count("\n") == 2
    again = run("-v", *how)
    assert again.exit_code == 0
    assert f"{2 if kept else 3} images embedded, {1 if kept else 0} taken from the cache" in again.stderr
