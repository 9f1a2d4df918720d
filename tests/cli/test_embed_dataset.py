"""``zsderm embed -o FOLDER/``: a data set that is begun, stopped, gone on with, and read by other commands."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli import main
from zsderm.embeddings import DatasetFolder, embed_images, read_embeddings

ZSDERM = [sys.executable, "-c", "from zsderm.cli import main; main()"]
Run = Callable[..., Result]


def parts(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("part-*"))}


def test_a_folder_is_a_data_set_and_the_same_command_goes_on(
    run_beside_photos: Run, tiny_encoder: object, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"")
    command = ("embed", "photos", "-o", "rows/", "--part-rows", "1", "--no-cache")
    done = run_beside_photos(*command)
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert "3 of 4 images embedded by zsderm-mini (0123456789abcdef)" in done.stderr and "; 4 parts made" in done.stderr
    assert "Written: rows\n" in done.stderr
    stored = read_embeddings(tmp_path / "rows", tiny_encoder, 1)
    assert list(stored.images) == [f"photos/{name}.jpg" for name in ("a", "b", "c", "torn")]
    images = sorted((tmp_path / "photos").iterdir())
    np.testing.assert_allclose(stored.features[:3], embed_images(tiny_encoder, images[:3]).features, atol=1e-6)
    assert list(stored.errors) == ["", "", "", "the file is empty"]
    facts = DatasetFolder.open(tmp_path / "rows").facts
    assert facts.begun["command"] == "zsderm embed photos -o rows/ --part-rows 1 --no-cache"
    before = parts(tmp_path / "rows")
    for name in ("part-000000.parquet", "part-000002.parquet"):
        (tmp_path / "rows" / name).unlink()
    again = run_beside_photos(*command)
    assert again.exit_code == 0 and parts(tmp_path / "rows") == before
    assert "2 of 4 parts are there already; going on with the others" in again.stderr
    assert "2 of 4 parts were there, 2 made" in again.stderr
    last = run_beside_photos("embed", "photos", "-o", "rows", "--part-rows", "3")
    assert "4 of 4 parts were there, 0 made" in last.stderr
    assert "begun with --part-rows 1, and keeps it" in last.stderr


def test_strict_and_images_that_all_fail_end_as_with_a_file(run_beside_photos: Run, tmp_path: Path) -> None:
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"")
    assert run_beside_photos("embed", "photos", "-o", "rows/", "--strict").exit_code == 3
    for name in ("a", "b", "c"):
        (tmp_path / "photos" / f"{name}.jpg").unlink()
    done = run_beside_photos("embed", "photos", "-o", "others/")
    assert done.exit_code == 1 and "the only image could not be read" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-o", "rows.h5"), 2, "expected a file that ends in .npy or .parquet, but got 'rows.h5'"),
        (("-o", "rows.npy", "--part-rows", "3"), 2, "--part-rows is for a data set"),
        (("-o", "rows/", "--part-rows", "0"), 2, "0 is not in the range"),
        (("-o", "photos/a.jpg/"), 2, "'photos/a.jpg/' is a file, not a folder"),
        (("-o", "photos"), 2, "'photos/' is an input and an output"),
        (("-o", "/proc/"), 2, "cannot write '/proc': "),
        (("-o", "photos/a.jpg/rows/"), 2, "cannot write 'photos/a.jpg/rows': Not a directory. Choose another place."),
        (("-o", "thesis"), 1, "expected 'thesis' to be new or empty, or a data set of embeddings"),
    ],
)
def test_a_mistake_is_said_before_any_work(
    run_beside_photos: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    monkeypatch.setattr("zsderm.load_encoder", lambda *_: pytest.fail("an encoder was loaded"))
    done = run_beside_photos("embed", "photos", *arguments)
    assert done.exit_code == code and said in done.stderr, done.output


def test_a_folder_of_other_images_is_refused(run_beside_photos: Run, tmp_path: Path) -> None:
    assert run_beside_photos("embed", "photos", "-o", "rows/").exit_code == 0
    (tmp_path / "photos" / "a.jpg").unlink()
    done = run_beside_photos("embed", "photos", "-o", "rows/")
    assert done.exit_code == 1 and "was begun with 3 images, and now there are 2 images" in done.stderr


def test_a_name_with_a_suffix_is_a_folder_where_it_ends_in_a_slash(run_beside_photos: Run, tmp_path: Path) -> None:
    for place in ("rows.parquet/", "rows.parquet"):  # the second time it is there
        assert run_beside_photos("embed", "photos", "-o", place).exit_code == 0
    assert (tmp_path / "rows.parquet" / "embeddings.json").is_file()
    assert len(read_embeddings(tmp_path / "rows.parquet").images) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_run_that_is_stopped_keeps_its_parts_and_says_how_to_go_on(tmp_path: Path, number: int, code: int) -> None:
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("a suite in the background of a shell has its processes ignore Ctrl-C")
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in range(200):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{name}.png")
    command = [*ZSDERM, "embed", "photos", "-o", "rows/", "--no-cache", "--part-rows", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("rows/part-*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    assert process.returncode == code, said.decode()
    assert b"Complete parts stay in 'rows': the same command goes on with the others." in said, said.decode()
    assert b"Traceback" not in said
    before = parts(tmp_path / "rows")
    assert 0 < len(before) < 100 and not list((tmp_path / "rows").glob(".draft-*"))
    again = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, timeout=300)
    assert again.returncode == 0 and f"{len(before)} of 100 parts".encode() in again.stderr
    after = parts(tmp_path / "rows")
    assert len(after) == 100 and before.items() <= after.items()


def labelled(folder: Path) -> Path:
    """A table of photographs of two classes in both splits; every one is beside it."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    for number in range(24):
        shade = np.array([90, 60, 40] if number % 2 else [220, 150, 150])
        pixels = np.clip(rng.normal(shade, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    table = pd.DataFrame({"filename": [f"{number}.png" for number in range(24)]})
    table["label"] = ["nevus", "melanoma"] * 12
    table["split"] = ["train"] * 12 + ["dev"] * 12
    table.to_csv(folder / "mine.csv", index=False)
    return folder / "mine.csv"


def zsderm(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.slow
@pytest.mark.parametrize("place", ["rows/", "rows.npy"])
def test_benchmark_and_probe_take_rows_in_place_of_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    table, output = labelled(tmp_path / "photos"), tmp_path / place
    assert zsderm("embed", tmp_path / "photos", "-o", f"{tmp_path}/{place}", "--no-cache").exit_code == 0
    runs = {
        "benchmark": ("--dataset", table, "--method", "class-name", "--method", "kpl"),
        "probe": ("--dataset", table, "--features", "embedding"),
    }
    for command, arguments in runs.items():
        plain = zsderm(command, *arguments, "-o", tmp_path / f"{command}-plain", "--no-cache")
        assert plain.exit_code == 0, plain.output
    kind = "zsderm.encoders.open_clip_format.encoder.OpenClipEncoder.encode_pixels"
    monkeypatch.setattr(kind, lambda *_: pytest.fail("an image was encoded"))
    for command, arguments in runs.items():
        done = zsderm(command, *arguments, "-o", tmp_path / f"{command}-rows", "--no-cache", "--embeddings", output)
        assert done.exit_code == 0, done.output
        results = sorted((tmp_path / f"{command}-plain").glob("*.parquet"))
        assert results
        for result in results:
            frames = [pd.read_parquet(file) for file in (result, tmp_path / f"{command}-rows" / result.name)]
            pd.testing.assert_frame_equal(*frames, check_exact=False, atol=1e-4)


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("benchmark", ("--model", "a", "--model", "b"), "--embeddings are of one encoder"),
        ("benchmark", ("--model", "supervised:folder"), "--embeddings are of an encoder, which supervised: is not"),
        ("probe", (), "--embeddings hold no image tokens; write --features embedding"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    tmp_path: Path, command: str, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "rows").mkdir()
    shared = ("--dataset", "mine.csv", "-o", tmp_path / "out", "--embeddings", tmp_path / "rows")
    done = zsderm(command, *shared, *arguments)
    assert done.exit_code == 2 and said in done.stderr, done.output


def test_embeddings_that_are_not_there_are_wrong_usage(tmp_path: Path) -> None:
    done = zsderm("audit", "--train", tmp_path, "--embeddings", tmp_path / "rows")
    assert done.exit_code == 2 and "Make it with: zsderm embed" in done.stderr


@pytest.mark.parametrize("place", ["rows/", "rows.parquet"])
def test_audit_takes_rows_in_place_of_encoding(
    run_beside_photos: Run, tiny_encoder, tmp_path: Path, place: str
) -> None:
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"")
    assert run_beside_photos("embed", "photos", "-o", place).exit_code == 0
    arguments = ("audit", "--train", "photos", "--cosine", "0.5", "--no-cache")
    plain, encoded = run_beside_photos(*arguments), tiny_encoder.images_encoded
    done = run_beside_photos(*arguments, "--embeddings", place)
    assert done.exit_code == 0 and done.stdout == plain.stdout and tiny_encoder.images_encoded == encoded
    (tmp_path / "photos" / "d.jpg").write_bytes((tmp_path / "photos" / "a.jpg").read_bytes())
    missing = run_beside_photos(*arguments, "--embeddings", place)
    assert missing.exit_code == 1
    assert "1 of 5 images have no embedding in 'rows" in missing.stderr and "photos/d.jpg" in missing.stderr
    none = run_beside_photos(*arguments, "--embeddings", place, "--model", "none")
    assert none.exit_code == 2 and "--embeddings goes with --model" in none.stderr
