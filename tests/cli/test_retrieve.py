"""The command on real photographs: with a small encoder, and once with the bundled one, as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.cli.retrieve import retrieve
from zsderm.embeddings import embed_dataset, is_embeddings
from zsderm.errors import InputError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "images"
PHOTOS = sorted(EXAMPLES.glob("*.jpg"))[:5]


@pytest.fixture
def small(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small encoder in place of the bundled one."""
    monkeypatch.setattr("zsderm.load_encoder", lambda name, device=None: tiny_encoder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = tmp_path_factory.mktemp("photos")
    for photo in PHOTOS:
        (photos / photo.name).write_bytes(photo.read_bytes())
    return photos


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    lines = [f"{photo.name},{'melanoma' if index < 2 else f'nevus {index}'}" for index, photo in enumerate(PHOTOS)]
    (path := tmp_path / "captions.csv").write_text("\n".join(["filename,caption", *lines]) + "\n", encoding="utf-8")
    return path


def _run(cache: Path, *arguments: object) -> Result:
    return CliRunner().invoke(retrieve, ["--cache-dir", str(cache), *map(str, arguments)])


@pytest.mark.usefixtures("small")
def test_a_text_finds_photographs_best_first(cache: Path, folder: Path) -> None:
    result = _run(cache, "--index", folder, "--query", "a dark mole", "--k", 3)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    scores = [float(row["score"]) for row in rows]
    assert result.exit_code == 0 and len(rows) == 3 and scores == sorted(scores, reverse=True)
    assert Path(rows[0]["image"]).parent == folder


@pytest.mark.usefixtures("small")
def test_the_index_comes_from_the_cache_the_second_time(tmp_path: Path, folder: Path) -> None:
    first, second = (_run(tmp_path, "--index", folder, "--query", "a mole") for _ in range(2))
    assert "(built)" in first.stderr and "(from the cache)" in second.stderr and first.stdout == second.stdout


@pytest.mark.slow
def test_an_image_finds_its_copy_elsewhere(cache: Path, folder: Path) -> None:
    result = _run(cache, "--index", folder, "--query", PHOTOS[2], "--k", 1)
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert Path(row["image"]).name == PHOTOS[2].name and float(row["score"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.usefixtures("small")
def test_hits_are_written_as_a_table_or_a_contact_sheet(cache: Path, folder: Path, tmp_path: Path) -> None:
    for name in ("hits.csv", "sheet.html"):
        result = _run(cache, "--index", folder, "--query", PHOTOS[0], "--k", 2, "--output", tmp_path / name)
        assert result.exit_code == 0 and result.stdout == "" and "Written:" in result.stderr
    assert len((tmp_path / "hits.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert (tmp_path / "sheet.html").read_text(encoding="utf-8").count("<img ") == 3  # the query and two hits


@pytest.mark.usefixtures("small")
def test_an_image_finds_captions(cache: Path, captions: Path) -> None:
    result = _run(cache, "--captions", captions, "--query", PHOTOS[0], "--k", 2)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 2 and {row["caption"] for row in rows} <= {"melanoma", "nevus 2", "nevus 3", "nevus 4"}


@pytest.mark.usefixtures("small")
def test_recall_is_measured_both_ways(cache: Path, folder: Path, captions: Path) -> None:
    result = _run(cache, "--index", folder, "--captions", captions)
    assert result.exit_code == 0 and "| image to text | 5 | 4 | 1 |" in result.stdout
    assert "2 of 5 captions stand with more than one image" in result.stdout
    content = json.loads(_run(cache, "--index", folder, "--captions", captions, "--json").stdout)
    assert content["directions"][1]["candidates"] == 5 and content["directions"][1]["figures"][-1]["recall"] == 1.0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "options",
    [[], ["--query", "a"], ["--index", "."], ["--query", "a", "--index", ".", "--captions", __file__]],
)
def test_options_that_do_not_belong_together_are_wrong_usage(cache: Path, options: list[str]) -> None:
    assert _run(cache, *options).exit_code == 2


@pytest.mark.usefixtures("small")
def test_a_misspelt_image_is_no_text(cache: Path, folder: Path) -> None:
    result = _run(cache, "--index", folder, "--query", "gone.jpg")
    assert isinstance(result.exception, InputError) and "no image" in str(result.exception)


@pytest.fixture
def embeddings(tiny_encoder: object, folder: Path, tmp_path: Path) -> Path:
    """A data set of the photographs and of a file that is none."""
    (broken := tmp_path / "broken.jpg").write_bytes(b"no image")
    embed_dataset(tmp_path / "embeddings", tiny_encoder, [*sorted(folder.iterdir()), broken], part_rows=2)
    return tmp_path / "embeddings"


@pytest.mark.usefixtures("small")
def test_a_data_set_of_embeddings_is_searched_as_its_folder_is(cache: Path, folder: Path, embeddings: Path) -> None:
    expected = _run(cache, "--index", folder, "--query", "a dark mole")
    for option in ([], [], ["--no-cache"]):
        result = _run(cache, "--index", embeddings, "--query", "a dark mole", *option)
        assert result.exit_code == 0 and result.stdout == expected.stdout
        assert "6 images, 5 indexed" in result.stderr and "1 image could not be read" in result.stderr
    assert "(all are looked at)" in result.stderr


@pytest.mark.usefixtures("small")
def test_a_photograph_of_a_data_set_finds_the_others_on_a_sheet(cache: Path, folder: Path, embeddings: Path) -> None:
    query = min(folder.iterdir())
    sheet = embeddings.parent / "sheet.html"
    result = _run(cache, "--index", f"{embeddings}/", "--query", query, "--output", sheet)
    assert result.exit_code == 0 and sheet.read_text(encoding="utf-8").count("<img ") == len(PHOTOS)  # query and others


@pytest.mark.usefixtures("small")
def test_a_sheet_of_photographs_that_are_gone_names_them(
    cache: Path, folder: Path, tmp_path: Path, tiny_encoder
) -> None:
    (gone := tmp_path / "gone.jpg").write_bytes(PHOTOS[0].read_bytes())
    embed_dataset(tmp_path / "set", tiny_encoder, [gone])
    gone.unlink()
    result = _run(cache, "--index", tmp_path / "set", "--query", "a mole", "--output", tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert result.exit_code == 0 and "gone.jpg" in page and "<img " not in page


@pytest.mark.usefixtures("small")
def test_recall_of_captions_is_not_measured_on_embeddings(cache: Path, embeddings: Path, captions: Path) -> None:
    result = _run(cache, "--index", embeddings, "--captions", captions)
    assert result.exit_code == 2 and "not with embeddings" in result.stderr


@pytest.mark.usefixtures("small")
def test_an_index_of_nothing_but_the_query_says_so(cache: Path, tmp_path: Path, tiny_encoder) -> None:
    (tmp_path / "photos").mkdir()
    (only := tmp_path / "photos" / "only.jpg").write_bytes(PHOTOS[0].read_bytes())
    embed_dataset(tmp_path / "set", tiny_encoder, [only])
    for index in ("photos", "set"):
        result = _run(cache, "--index", tmp_path / index, "--query", only)
        assert result.exit_code == 0 and result.stdout == "score,image\n"
        assert "there is no other photograph in" in result.stderr and index in result.stderr


def test_what_cannot_be_searched_is_said_before_an_encoder_is_loaded(
    cache: Path, embeddings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zsderm.cli.retrieve.loaded_encoder", None)
    with pytest.raises(InputError, match=r"zsderm embed list\.csv -o rows/; then search them with --index rows/"):
        CliRunner().invoke(retrieve, ["--index", "list.csv", "--query", "a mole"], catch_exceptions=False)
    (embeddings / "embeddings.json").unlink()
    assert is_embeddings(embeddings)
    with pytest.raises(InputError, match=r"has parts, but not the manifest 'embeddings\.json'"):
        CliRunner().invoke(retrieve, ["--index", str(embeddings), "--query", "a mole"], catch_exceptions=False)
