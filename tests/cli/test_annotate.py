"""The command on real photographs: with a small encoder, and once with the bundled one, as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.cli.annotate import annotate
from zsderm.errors import ImageError, InputError, NotFoundError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "images"
PHOTOS = sorted(EXAMPLES.glob("*.jpg"))[:4]


@pytest.fixture
def small(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small encoder in place of the bundled one."""
    monkeypatch.setattr("zsderm.load_encoder", lambda name, device=None: tiny_encoder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def concepts(tmp_path: Path) -> Path:
    path = tmp_path / "mine.txt"
    path.write_text("scale: scaly skin\nbrown: brown skin; a brown spot\n", encoding="utf-8")
    return path


def _run(cache: Path, concepts: Path, *arguments: object) -> Result:
    images = [part for photo in PHOTOS for part in ("--images", str(photo))]
    options = ["--concepts", str(concepts), "--cache-dir", str(cache), *map(str, arguments)]
    return CliRunner().invoke(annotate, [*images, *options])


@pytest.mark.slow
def test_the_scores_go_to_stdout_as_csv(cache: Path, concepts: Path) -> None:
    result = _run(cache, concepts)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.exit_code == 0 and list(rows[0]) == ["image", "scale", "brown", "error"]
    assert [row["image"] for row in rows] == [str(photo) for photo in PHOTOS]
    assert all(row["error"] == "" and abs(float(row["scale"])) < 50 for row in rows)


@pytest.mark.usefixtures("small")
def test_with_labels_stdout_has_the_auroc_of_each_concept(cache: Path, concepts: Path, tmp_path: Path) -> None:
    (labels := tmp_path / "labels.csv").write_text(
        "\n".join(["image,Scales,age", *(f"{photo.name},{index % 2},5" for index, photo in enumerate(PHOTOS))])
    )
    result = _run(cache, concepts, "--labels", labels, "--output", tmp_path / "scores.csv")
    assert result.exit_code == 0 and "| scale | 2 | 2 |" in result.stdout
    assert "Not in the labels: brown." in result.stdout and "name no concept: age." in result.stdout
    assert len((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()) == 5
    content = json.loads(_run(cache, concepts, "--labels", labels, "--json").stdout)
    assert content["figures"][0]["concept"] == "scale"


@pytest.mark.usefixtures("small")
def test_a_wrong_table_shows_before_the_work(cache: Path, concepts: Path, tmp_path: Path) -> None:
    (labels := tmp_path / "labels.csv").write_text("name,scale\na,1\n")
    assert isinstance(_run(cache, concepts, "--labels", labels).exception, InputError)


@pytest.mark.usefixtures("small")
def test_unreadable_images_are_rows_and_none_readable_is_an_error(concepts: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "photos").mkdir()
    (folder / "1.jpg").write_bytes(b"no image")
    arguments = ["--images", str(folder), "--concepts", str(concepts), "--no-cache"]
    result = CliRunner().invoke(annotate, arguments)
    assert isinstance(result.exception, ImageError) and "not an image" in result.stdout


@pytest.mark.usefixtures("small")
def test_an_unknown_vocabulary_is_refused(cache: Path) -> None:
    assert isinstance(_run(cache, Path("skincom")).exception, NotFoundError)


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        ("image,scale\nx.jpg,2\n", [], "expected 1, 0 or nothing in column 'scale'"),
        ("image,crust\nx.jpg,1\n", [], "named as the concepts"),
        ("image,scale\nx.jpg,1\n", ["--cluster", "patient"], "expected a column 'patient'"),
    ],
)
def test_a_mistake_in_the_labels_shows_before_the_work(
    concepts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, arguments: list[str], words: str
) -> None:
    monkeypatch.setattr("zsderm.load_encoder", lambda *_: pytest.fail("loaded"))
    (tmp_path / "labels.csv").write_text(content.replace("x.jpg", PHOTOS[0].name))
    done = _run(tmp_path, concepts, "--labels", tmp_path / "labels.csv", *arguments)
    assert isinstance(done.exception, InputError) and words in str(done.exception)
