from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm.embeddings import FeatureCache, embed_images, embed_texts
from zsderm.errors import FallbackWarning, SettingsError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Seven distinct readable pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(3)
    for index in range(7):
        coarse = Image.fromarray(random.integers(0, 255, (4, 4, 3), np.uint8))
        coarse.resize((48, 32), Image.Resampling.NEAREST).save(folder / f"{index}.png")
    return sorted(folder.iterdir())


def stored(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.npy"))


# images


def test_rows_equal_the_encoder_one_image_at_a_time(tiny_encoder, paths: list[Path]) -> None:
    result = embed_images(tiny_encoder, paths, batch_size=3, workers=2)
    slow = np.stack([tiny_encoder.encode_images([path])[0].numpy() for path in paths])
    np.testing.assert_allclose(result.features, slow, atol=1e-6)
    assert result.features.dtype == np.float32
    assert result.ok.dtype == bool and result.ok.all()
    assert result.errors == {}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("workers", [1, 5])
def test_the_result_does_not_depend_on_batches_and_threads(
    tiny_encoder, paths: list[Path], batch_size: int, workers: int
) -> None:
    expected = embed_images(tiny_encoder, paths).features
    tiny_encoder.batch_sizes.clear()
    features = embed_images(tiny_encoder, paths, batch_size=batch_size, workers=workers).features
    np.testing.assert_allclose(features, expected, atol=1e-6)
    assert tiny_encoder.batch_sizes == [batch_size] * (7 // batch_size) + [7 % batch_size] * (7 % batch_size > 0)


def test_each_row_is_of_unit_length_or_zeros_where_ok_is_false(tiny_encoder, paths: list[Path]) -> None:
    cut, missing = paths[2], paths[0].with_name("missing.png")
    cut.write_bytes(cut.read_bytes()[:60])
    result = embed_images(tiny_encoder, [missing, *paths, missing], batch_size=2)
    norms = np.linalg.norm(result.features, axis=1)
    np.testing.assert_allclose(norms, result.ok.astype(float), atol=1e-6)
    assert result.ok.tolist() == [False, True, True, False, True, True, True, True, False]
    assert list(result.errors) == [0, 3, 8]
    assert result.errors[0] == "no such file"
    assert result.errors[3].startswith("the image is damaged or cut short") or "not an image" in result.errors[3]


def test_nothing_readable_and_nothing_at_all_are_fine(tiny_encoder, tmp_path: Path) -> None:
    result = embed_images(tiny_encoder, [tmp_path / "a.jpg"])
    assert result.features.shape == (1, 32) and not result.ok.any()
    assert embed_images(tiny_encoder, []).features.shape == (0, 32)
    assert tiny_encoder.images_encoded == 0


def test_pil_images_equal_their_files(tiny_encoder, paths: list[Path]) -> None:
    with Image.open(paths[0]) as image:
        mixed = embed_images(tiny_encoder, [image, str(paths[1])])
    np.testing.assert_allclose(mixed.features, embed_images(tiny_encoder, paths[:2]).features, atol=1e-6)


def test_a_row_that_is_not_finite_becomes_a_reason_and_is_not_stored(
    tiny_encoder, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = type(tiny_encoder).encode_pixels

    def overflowing(self, pixels: torch.Tensor) -> torch.Tensor:
        rows = plain(self, pixels)
        rows[1] = torch.nan
        return rows

    monkeypatch.setattr(type(tiny_encoder), "encode_pixels", overflowing)
    result = embed_images(tiny_encoder, paths, cache=tmp_path / "cache")
    assert result.errors == {1: "the encoder gave no finite unit row for this image"}
    assert np.isfinite(result.features).all()
    assert len(stored(tmp_path / "cache")) == 6


@pytest.mark.parametrize("setting", ["batch_size", "workers"])
def test_settings_below_one_are_refused(tiny_encoder, setting: str) -> None:
    with pytest.raises(SettingsError, match=f"Expected argument `{setting}` to be at least 1, but got 0"):
        embed_images(tiny_encoder, [], **{setting: 0})


def test_no_more_images_are_decoded_ahead_than_a_batch(tiny_encoder, paths: list[Path], monkeypatch) -> None:
    plain, started, lock = type(tiny_encoder).preprocess, [0], threading.Lock()
    most = [0]

    def counting(self, image: Image.Image) -> torch.Tensor:
        with lock:
            started[0] += 1
            most[0] = max(most[0], started[0] - self.images_encoded)
        return plain(self, image)

    monkeypatch.setattr(type(tiny_encoder), "preprocess", counting)
    embed_images(tiny_encoder, paths * 30, batch_size=4, workers=2)
    assert started[0] == tiny_encoder.images_encoded == 210
    assert most[0] <= 4 + 4 + 1  # waiting for the encoder, ahead of it, and the one just handed over


def test_a_defect_of_the_encoder_ends_the_run_at_once(tiny_encoder, paths: list[Path], monkeypatch) -> None:
    def broken(self, pixels: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(type(tiny_encoder), "encode_pixels", broken)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of memory"):
        embed_images(tiny_encoder, paths, batch_size=2)
    assert threading.active_count() == before


def test_large_photographs_pass_without_pillows_warning(
    tiny_encoder, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # the pictures have 1536 pixels
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert embed_images(tiny_encoder, paths).ok.all()


def test_the_progress_bar_is_on_stderr_and_only_on_a_terminal(tiny_encoder, paths, capfd, monkeypatch) -> None:
    embed_images(tiny_encoder, paths, progress=True)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    embed_images(tiny_encoder, paths, progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "Embedding images" in err
    embed_images(tiny_encoder, paths, progress=False)
    assert capfd.readouterr() == ("", "")


# cache


def test_what_is_on_disk_is_not_computed_again(tiny_encoder, paths: list[Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = embed_images(tiny_encoder, paths, cache=cache)
    renamed = paths[0].rename(paths[0].with_name("other-name.png"))
    again = embed_images(tiny_encoder, [renamed, *paths[1:]], cache=str(cache))
    assert tiny_encoder.images_encoded == len(paths)
    np.testing.assert_array_equal(again.features, first.features)
    assert again.ok.all()
    assert len(stored(cache)) == len(paths)
    assert not list(cache.rglob("*.tmp"))


def test_changed_content_and_another_encoder_are_computed_anew(tiny_encoder, paths: list[Path], tmp_path: Path) -> None:
    embed_images(tiny_encoder, paths, cache=tmp_path / "cache")
    Image.new("RGB", (9, 9), "red").save(paths[0])
    embed_images(tiny_encoder, paths, cache=tmp_path / "cache")
    assert tiny_encoder.images_encoded == len(paths) + 1
    other = type(tiny_encoder)(fingerprint="fedcba9876543210")
    embed_images(other, paths, cache=tmp_path / "cache")
    assert other.images_encoded == len(paths)


def test_pil_images_are_cached_by_what_they_show(tiny_encoder, tmp_path: Path) -> None:
    indices = Image.new("P", (4, 4))
    red, blue = indices.copy(), indices.copy()
    red.putpalette([255, 0, 0])
    blue.putpalette([0, 0, 255])
    wide, tall = Image.new("RGB", (8, 2)), Image.new("RGB", (2, 8))
    images = [red, blue, wide, tall]
    first = embed_images(tiny_encoder, images, cache=tmp_path)
    assert len(stored(tmp_path)) == 4
    again = embed_images(tiny_encoder, [image.copy() for image in images], cache=tmp_path)
    np.testing.assert_array_equal(first.features, again.features)
    assert tiny_encoder.images_encoded == 4
    assert not np.allclose(first.features[0], first.features[1])


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "longer", "pickle", "wider", "double", "zip"])
def test_a_corrupted_cache_file_is_recomputed(tiny_encoder, paths, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = embed_images(tiny_encoder, paths, cache=cache)
    victim = stored(cache)[0]
    content = victim.read_bytes()
    match damage:
        case "empty":
            victim.write_bytes(b"")
        case "cut":
            victim.write_bytes(content[:-5])
        case "zeros":
            victim.write_bytes(content[:128] + bytes(len(content) - 128))
        case "longer":
            victim.write_bytes(content + b"\0")
        case "pickle":
            np.save(victim, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        case "wider":
            np.save(victim, np.full(64, 1 / 8, np.float32))
        case "double":
            np.save(victim, np.load(victim).astype(np.float64))
        case "zip":
            victim.write_bytes(b"PK\x03\x04" + content[4:])
    again = embed_images(tiny_encoder, paths, cache=cache)
    assert tiny_encoder.images_encoded == len(paths) + 1
    np.testing.assert_allclose(again.features, first.features, atol=1e-6)
    np.testing.assert_allclose(np.load(victim), np.load(BytesIO(content)), atol=1e-6)


def test_cache_files_are_plain_npy(tiny_encoder, paths: list[Path], tmp_path: Path) -> None:
    result = embed_images(tiny_encoder, paths[:1], cache=tmp_path)
    (file,) = stored(tmp_path)
    row = np.load(file, allow_pickle=False)
    assert row.dtype == np.float32
    np.testing.assert_array_equal(row, result.features[0])


def test_a_run_that_was_interrupted_goes_on_where_it_stopped(
    tiny_encoder, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = type(tiny_encoder).encode_pixels

    def interrupted(self, pixels: torch.Tensor) -> torch.Tensor:
        if len(self.batch_sizes) == 2:
            raise KeyboardInterrupt
        return plain(self, pixels)

    monkeypatch.setattr(type(tiny_encoder), "encode_pixels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_images(tiny_encoder, paths, batch_size=2, cache=tmp_path)
    monkeypatch.undo()
    assert len(stored(tmp_path)) == 4
    assert embed_images(tiny_encoder, paths, batch_size=2, cache=tmp_path).ok.all()
    assert tiny_encoder.images_encoded == len(paths)


def test_unreadable_images_are_tried_again(tiny_encoder, paths: list[Path], tmp_path: Path) -> None:
    content = paths[0].read_bytes()
    paths[0].write_bytes(b"")
    assert embed_images(tiny_encoder, paths, cache=tmp_path / "c").errors == {0: "the file is empty"}
    paths[0].write_bytes(content)
    assert embed_images(tiny_encoder, paths, cache=tmp_path / "c").ok.all()


def test_a_cache_folder_that_cannot_be_made_is_told_before_the_work(tiny_encoder, paths, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"cache folder .* cannot be made: .*Choose another"):
        embed_images(tiny_encoder, paths, cache=tmp_path / "file" / "cache")
    assert tiny_encoder.images_encoded == 0


def test_a_full_disk_costs_the_cache_and_not_the_run(tiny_encoder, paths, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    store = FeatureCache(cache, tiny_encoder.fingerprint, 32)
    for digit in range(256):  # files where the shards should be
        (store.folder / f"{digit:02x}").write_bytes(b"")
    with pytest.warns(FallbackWarning, match="cannot be written: .*Going on without it") as caught:
        assert embed_images(tiny_encoder, paths, batch_size=1, cache=cache).ok.all()
    assert len(caught) == 1


HAMMER = """
import sys
from pathlib import Path
import numpy as np
from zsderm.embeddings import FeatureCache

def hammer(store, column, until):
    row = np.zeros(32, np.float32)
    row[column] = 1
    rounds = 0
    while not until(rounds):
        for key in ("aa11", "aa22", "bb33"):
            store.write(key, row)
            seen = store.read(key)
            assert seen is not None and seen.sum() == 1, "a torn row"
        rounds += 1

if __name__ == "__main__":
    hammer(FeatureCache(Path(sys.argv[1]), "ab", 32), 0, until=lambda rounds: rounds == 300)
"""


def test_two_processes_may_share_the_folder(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    names: dict[str, Any] = {"__name__": "here"}
    exec(HAMMER, names)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    other = subprocess.Popen([sys.executable, "-c", HAMMER, str(cache)], env=environment)
    while not stored(cache) and other.poll() is None:
        time.sleep(0.01)  # the other process is still importing
    names["hammer"](FeatureCache(cache, "ab", 32), 1, until=lambda rounds: other.poll() is not None)
    assert other.returncode == 0
    assert len(stored(cache)) == 3
    assert not list(cache.rglob("*.tmp"))


# texts


def test_texts_are_encoded_once_each_and_come_back_in_order(tiny_encoder) -> None:
    texts = ["a brown macule", "a pearly nodule", "a brown macule", "a scaly plaque", "a pearly nodule"]
    rows = embed_texts(tiny_encoder, texts)
    assert tiny_encoder.texts_encoded == 3
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[0], rows[2])
    slow = np.concatenate([tiny_encoder.encode_texts([text]).numpy() for text in texts])
    np.testing.assert_allclose(rows, slow, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_more_texts_than_a_batch_and_no_texts(tiny_encoder) -> None:
    texts = [f"description {number}" for number in range(600)]
    np.testing.assert_allclose(embed_texts(tiny_encoder, texts), tiny_encoder.encode_texts(texts).numpy(), atol=1e-6)
    assert embed_texts(tiny_encoder, []).shape == (0, 32)


def test_a_single_string_is_refused(tiny_encoder) -> None:
    with pytest.raises(SettingsError, match="Expected argument `texts` to be a list of strings, but got the string"):
        embed_texts(tiny_encoder, "melanoma")


def test_half_precision_encoders_give_float32_rows(paths: list[Path], tiny_encoder) -> None:
    half = SimpleNamespace(
        card=tiny_encoder.card,
        fingerprint="00",
        preprocess=tiny_encoder.preprocess,
        encode_pixels=lambda pixels: tiny_encoder.encode_pixels(pixels).half(),
        encode_texts=lambda texts: tiny_encoder.encode_texts(texts).half(),
    )
    assert embed_images(half, paths).features.dtype == np.float32
    assert embed_texts(half, ["a"]).dtype == np.float32


def test_real_photographs_are_embedded(tiny_encoder, data_root: Path) -> None:
    paths = sorted((data_root / "pad" / "images").iterdir())[:20]
    result = embed_images(tiny_encoder, paths, batch_size=8)
    assert result.ok.all()
    assert len(np.unique(result.features.round(5), axis=0)) == 20
