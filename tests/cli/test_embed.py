"""``zsderm embed`` as its users see it: the real command, the bundled encoder, small pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from pyarrow import parquet

from zsderm.cli.embed import embed
from zsderm.embeddings import read_embeddings
from zsderm.encoders import load_encoder
from zsderm.errors import ImageError


@pytest.fixture
def photos(photo: Image.Image, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.save(folder / "1.png")
    photo.rotate(90).save(folder / "2.png")
    (folder / "3.jpg").write_bytes(b"")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(embed, [str(argument) for argument in arguments])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rows.npy", "rows.parquet"])
def test_the_rows_are_the_encoders_and_what_cannot_be_read_has_a_reason(photos, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    done = run("--images", photos, "--output", output, "--no-cache", "--views", "1")
    assert (done.exit_code, done.stdout) == (0, "")
    encoder = load_encoder("zsderm-mini")
    assert f"2 of 3 images embedded by zsderm-mini ({encoder.fingerprint})" in done.stderr
    stored = read_embeddings(output, encoder)
    assert [Path(image).name for image in stored.images] == ["1.png", "2.png", "3.jpg"]
    assert stored.errors == ["", "", "the file is empty"]
    expected = encoder.encode_images([photos / "1.png", photos / "2.png"]).numpy()
    np.testing.assert_allclose(stored.features[:2], expected, atol=1e-6)


@pytest.mark.slow
def test_a_second_run_comes_from_the_cache(photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--images", photos, "--output", tmp_path / "rows.npy", "--cache-dir", tmp_path / "cache")
    assert run(*arguments).exit_code == 0
    first = np.load(tmp_path / "rows.npy")

    def refuse(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr("zsderm.encoders.open_clip_format.encoder.OpenClipEncoder.encode_pixels", refuse)
    assert run(*arguments).exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), first)


@pytest.mark.slow
def test_a_folder_without_readable_images_is_a_mistake_with_the_reasons_in_the_file(photos, tmp_path: Path) -> None:
    (photos / "1.png").unlink()
    (photos / "2.png").unlink()
    done = run("--images", photos, "--output", tmp_path / "rows.npy", "--no-cache")
    assert isinstance(done.exception, ImageError) and "the only image could not be read" in str(done.exception)
    assert read_embeddings(tmp_path / "rows.npy").errors == ["the file is empty"]


def test_images_that_are_not_there_are_a_mistake_before_any_work(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zsderm.encoders.load_encoder", lambda *_: pytest.fail("an encoder was loaded"))
    done = run("--images", tmp_path / "no.jpg", "--output", tmp_path / "rows.npy")
    assert isinstance(done.exception, ImageError) and "no.jpg: no such file" in str(done.exception)
    assert not (tmp_path / "rows.npy").exists()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_what_was_passed_over_is_said_and_written(photos, tmp_path: Path, suffix: str) -> None:
    (photos / "a.dng").touch()
    (photos / "b.DNG").touch()
    (photos / "link").symlink_to(tmp_path)
    output = tmp_path / f"rows{suffix}"
    done = run("--images", photos, "--output", output, "--no-cache", "--views", "1")
    assert "Passed over: 2 .dng, 1 linked folder; --follow-links goes into links" in done.stderr
    if suffix == ".npy":
        about = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))["passed_over"]
    else:
        about = json.loads(parquet.read_metadata(output).metadata[b"zsderm_passed_over"])
    assert about == {".dng": 2, "linked folder": 1}


def test_another_format_is_wrong_usage_before_any_work(photos, tmp_path: Path) -> None:
    done = run("--images", photos, "--output", tmp_path / "rows.h5")
    assert done.exit_code == 2 and "ends in .npy or .parquet" in done.stderr


@pytest.mark.slow
def test_views_are_averaged_and_written_beside_the_rows(photos, tmp_path: Path) -> None:
    output = tmp_path / "rows.parquet"
    assert run("--images", photos, "--output", output, "--no-cache", "--views", "4").exit_code == 0
    encoder = load_encoder("zsderm-mini")
    stored = read_embeddings(output, encoder, views=4)
    expected = encoder.encode_images([photos / "1.png", photos / "2.png"], views=4).numpy()
    np.testing.assert_allclose(stored.features[:2], expected, atol=1e-5)
    assert run("--images", photos, "--output", output, "--views", "2").exit_code == 2


@pytest.mark.slow
def test_without_a_number_there_are_as_many_views_as_the_encoders_card_says(
    photos, tmp_path: Path, folder_of_views: Callable[[int], Path]
) -> None:
    folder, output = folder_of_views(4), tmp_path / "rows.npy"
    for said, views in (((), 4), (("--views", "1"), 1)):
        done = run("--images", photos, "--output", output, "--no-cache", "--model", folder, *said)
        assert done.exit_code == 0, done.output
        stored = read_embeddings(output, encoder := load_encoder(folder))
        assert stored.views == views
        expected = encoder.encode_images([photos / "1.png", photos / "2.png"], views=views).numpy()
        np.testing.assert_allclose(stored.features[:2], expected, atol=1e-5)
