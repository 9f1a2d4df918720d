from __future__ import annotations

import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm.embeddings import FeatureCache, embed_images
from zsderm.errors import FallbackWarning

ROOT = Path(__file__).resolve().parents[2]


def stored(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.npy"))


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


def test_a_cache_folder_that_cannot_be_made_costs_the_cache_and_not_the_run(tiny_encoder, paths, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.warns(FallbackWarning, match=r"cache folder .* cannot be written: .*Going on without it") as caught:
        assert embed_images(tiny_encoder, paths, cache=tmp_path / "file" / "cache").ok.all()
    assert len(caught) == 1


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


@pytest.mark.slow
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
