"""Which engine embeds: the options, what they do not go with, and that Ray costs nothing to those who do not use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.cli import main
from zsderm.cli.embedded_first import place_beside
from zsderm.cli.engines import ActorNumber, EngineChoice, RayAddress


@pytest.fixture
def photos(photo: Image.Image, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.save(folder / "1.png")
    return folder


@pytest.mark.parametrize(
    ("text", "numbers"), [("1", (1, 1)), ("8", (8, 8)), ("2:8", (2, 8)), ("3:3", (3, 3)), ("1:999999", (1, 999999))]
)
def test_numbers_of_actors_are_read(text: str, numbers: tuple[int, int]) -> None:
    assert ActorNumber().convert(text, None, None) == numbers


@pytest.mark.parametrize("text", ["0", "-1", "8:2", "0:2", "2:", ":2", "1:2:3", "two", "1.5", "²", "1" * 9])
def test_other_numbers_of_actors_are_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="as in 2:8"):
        ActorNumber().convert(text, None, None)


@pytest.mark.parametrize(
    "text",
    ["auto", "local", "10.0.0.1:6379", "head:6379", "ray://head.example.org:10001", "[::1]:6379", "ray://[::1]:1"],
)
def test_addresses_of_ray_are_taken(text: str) -> None:
    assert RayAddress().convert(text, None, None) == text


@pytest.mark.parametrize("text", ["head", "http://head:80", "ray://head", "me:secret@head:6379", "head:port", "a b:1"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="HOST:PORT"):
        RayAddress().convert(text, None, None)


@pytest.mark.parametrize(
    ("command", "more", "said"),
    [
        ("embed", ["-o", "rows/", "--actors", "2"], "--actors is for --engine ray"),
        ("embed", ["-o", "rows/", "--ray-address", "auto"], "--ray-address is for --engine ray"),
        ("embed", ["-o", "rows/", "--num-cpus-per-actor", "2"], "--num-cpus-per-actor is for --engine ray"),
        ("embed", ["-o", "rows/", "--num-gpus-per-actor", "0"], "--num-gpus-per-actor is for --engine ray"),
        ("embed", ["-o", "rows.npy", "--engine", "ray"], "give -o a folder"),
        ("embed", ["-o", "rows/", "--engine", "spark"], "'spark' is not one of 'local', 'ray'"),
        ("classify", ["-c", "a, b", "--actors", "2"], "--actors is for --engine ray"),
        ("classify", ["-c", "a, b", "--engine", "ray"], "needs --output"),
        (
            "classify",
            ["-c", "a, b", "--engine", "ray", "-o", "p.csv", "--explain", "heat"],
            "--explain cannot be given",
        ),
        ("classify", ["--engine", "ray", "-o", "p.csv", "--fitted", "."], "--fitted cannot be given with --engine ray"),
        ("classify", ["--engine", "ray", "-o", "p.csv", "-m", "supervised:x"], "it makes no embeddings"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_work(
    command: str, more: list[str], said: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [command, str(photos), *more])
    assert done.exit_code == 2 and said in " ".join(done.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_embeddings_lie_beside_the_answers() -> None:
    assert place_beside(Path("out/p.csv")) == "out/p.csv.embeddings"
    assert place_beside("answers/") == "answers.embeddings"
    assert place_beside("s3://bucket/answers/") == "s3://bucket/answers.embeddings"


def test_the_local_engine_is_nobody_special() -> None:
    with EngineChoice("local").running("rows/", "zsderm-mini", None, 64, None) as engine:
        assert engine is None


@pytest.mark.slow
def test_a_data_set_that_is_finished_needs_no_cluster(photos: Path, tmp_path: Path) -> None:
    rows = f"{tmp_path / 'rows'}/"
    ray = ["--engine", "ray", "--ray-address", "127.0.0.1:1"]  # where nobody listens
    before = CliRunner().invoke(main, ["embed", str(photos), "-o", rows, "--no-cache", *ray])
    assert before.exit_code == 1 and "no Ray cluster can be used at '127.0.0.1:1'" in before.stderr
    assert not (tmp_path / "rows").exists()
    for engine in ([], ray):
        done = CliRunner().invoke(main, ["embed", str(photos), "-o", rows, "--no-cache", *engine])
        assert done.exit_code == 0, done.output
    assert "1 of 1 part was there, 0 made" in done.stderr
    (tmp_path / "rows" / "part-000000.parquet").unlink()
    done = CliRunner().invoke(main, ["embed", str(photos), "-o", rows, "--no-cache", *ray])
    assert done.exit_code == 1 and "no Ray cluster can be used at '127.0.0.1:1'" in done.stderr


_WITHOUT = """
import sys
from click.testing import CliRunner
from zsderm.cli import _COMMANDS, main
for name in _COMMANDS:
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0, name
done = CliRunner().invoke(main, ["embed", sys.argv[1], "-o", sys.argv[2], "--no-cache"])
assert done.exit_code == 0, done.output
assert not [name for name in sys.modules if name.partition(".")[0] == "ray"]
"""


@pytest.mark.slow
def test_nothing_of_ray_is_imported_without_engine_ray(photos: Path, tmp_path: Path) -> None:
    called = [sys.executable, "-c", _WITHOUT, str(photos), f"{tmp_path / 'rows'}/"]
    done = subprocess.run(called, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
