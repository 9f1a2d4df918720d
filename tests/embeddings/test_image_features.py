from __future__ import annotations

import threading
import warnings
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm.embeddings import embed_batches, embed_images, embed_texts
from zsderm.encoders import load_encoder
from zsderm.encoders.base import SCALE_LIMIT
from zsderm.encoders.views import views_of
from zsderm.errors import SettingsError
from zsderm.images import open_image


def stored(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.npy"))


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


def test_no_more_images_are_decoded_ahead_than_two_batches(tiny_encoder, paths: list[Path], monkeypatch) -> None:
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
    assert most[0] <= 4 + 2 * 4 + 1  # waiting for the encoder, ahead of it, and the one just handed over


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


# batches


def test_batches_put_together_are_what_embed_images_gives(tiny_encoder, paths: list[Path]) -> None:
    images = [*paths, paths[0].with_name("missing.png"), paths[1]]
    whole = embed_images(tiny_encoder, images, batch_size=4)
    parts = list(embed_batches(tiny_encoder, iter(images), batch_size=4))
    assert [len(part.ok) for part in parts] == [4, 4, 1]
    np.testing.assert_allclose(np.concatenate([part.features for part in parts]), whole.features, atol=1e-6)
    assert np.concatenate([part.ok for part in parts]).tolist() == whole.ok.tolist()
    assert (parts[1].errors, whole.errors) == ({3: "no such file"}, {7: "no such file"})


def test_images_are_asked_for_only_a_little_ahead(tiny_encoder, paths: list[Path]) -> None:
    asked = [0]

    def endless():
        while True:
            asked[0] += 1
            yield paths[asked[0] % len(paths)]

    batches = embed_batches(tiny_encoder, endless(), batch_size=4, workers=2)
    for count in range(1, 6):
        assert next(batches).ok.all()
        assert asked[0] <= 4 * count + 2 * 4 + 1
    batches.close()


def test_settings_are_checked_before_the_first_batch_is_asked_for(tiny_encoder) -> None:
    with pytest.raises(SettingsError, match="`batch_size` to be at least 1"):
        embed_batches(tiny_encoder, [], batch_size=0)


def test_rows_may_go_into_a_mapped_file(tiny_encoder, paths: list[Path], tmp_path: Path) -> None:
    out = np.lib.format.open_memmap(tmp_path / "rows.npy", mode="w+", dtype=np.float32, shape=(len(paths), 32))
    result = embed_images(tiny_encoder, paths, out=out)
    assert result.features is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), embed_images(tiny_encoder, paths).features)
    for wrong in (np.zeros((6, 32), np.float32), np.zeros((7, 32))):
        with pytest.raises(SettingsError, match=r"`out` to be \(7, 32\) float32"):
            embed_images(tiny_encoder, paths, out=wrong)


# decoding at reduced size


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    """Four example photographs, cut to 4:3 and scaled up to twelve megapixels, as JPEG files."""
    files = []
    for path in sorted((Path(__file__).resolve().parents[2] / "examples" / "images").iterdir())[:4]:
        large = open_image(path).crop((0, 0, 300, 225)).resize((4000, 3000), Image.Resampling.BICUBIC)
        buffer = BytesIO()
        large.save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


@pytest.mark.slow
def test_large_photographs_are_decoded_smaller_and_their_rows_stay_within_a_cosine_of_0_999_on_average(
    photographs: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, sizes = load_encoder("zsderm-mini"), set()
    plain = type(encoder).preprocess

    def noting(self, image: Image.Image) -> torch.Tensor:
        sizes.add(image.size)
        return plain(self, image)

    monkeypatch.setattr(type(encoder), "preprocess", noting)
    paths = [tmp_path / f"{number}.jpg" for number in range(len(photographs))]
    for path, content in zip(paths, photographs, strict=True):
        path.write_bytes(content)
    rows = embed_images(encoder, paths).features
    assert sizes == {(2000, 1500)}
    assert min(sizes.pop()) >= SCALE_LIMIT * encoder.card.image_size
    whole = torch.stack([plain(encoder, open_image(path)) for path in paths])
    cosines = (rows * encoder.encode_pixels(whole).numpy()).sum(axis=1)
    assert cosines.mean() >= 0.999


@pytest.mark.slow
def test_one_file_has_one_row_by_path_as_pil_opens_it_and_from_the_encoder(
    photographs: list[bytes], tmp_path: Path
) -> None:
    encoder = load_encoder("zsderm-mini")
    (tmp_path / "a.jpg").write_bytes(photographs[0])
    by_path = embed_images(encoder, [tmp_path / "a.jpg"], cache=tmp_path / "cache").features
    with Image.open(tmp_path / "a.jpg") as image:
        by_pil = embed_images(encoder, [image], cache=tmp_path / "cache").features
        by_encoder = encoder.encode_images([image]).numpy()
    np.testing.assert_allclose(by_pil, by_path, atol=1e-6)
    np.testing.assert_allclose(by_encoder, by_path, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_images([tmp_path / "a.jpg"]).numpy(), by_path, atol=1e-5)
    assert len(stored(tmp_path / "cache")) == 1


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


class SmallDevice:
    """An encoder on a device whose memory holds so many images."""

    def __init__(self, encoder, room: int) -> None:
        self.card, self.fingerprint, self.preprocess = encoder.card, encoder.fingerprint, encoder.preprocess
        self.encode, self.room, self.seen = encoder.encode_pixels, room, []

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.seen.append(len(pixels))
        return self.encode(pixels)


def test_a_batch_that_does_not_fit_the_device_is_halved_until_it_does(paths: list[Path], tiny_encoder) -> None:
    device = SmallDevice(tiny_encoder, room=2)
    rows = embed_images(device, paths).features
    np.testing.assert_allclose(rows, embed_images(tiny_encoder, paths).features, atol=1e-6)
    assert device.seen and max(device.seen) <= 2
    with pytest.raises(SettingsError, match="--device cpu"):
        embed_images(SmallDevice(tiny_encoder, room=0), paths)


def test_real_photographs_are_embedded(tiny_encoder, data_root: Path) -> None:
    paths = sorted((data_root / "pad" / "images").iterdir())[:20]
    result = embed_images(tiny_encoder, paths, batch_size=8)
    assert result.ok.all()
    assert len(np.unique(result.features.round(5), axis=0)) == 20


# views


def one_by_one(encoder, path: Path, views: int) -> np.ndarray:
    """The slow twin: one image, one view at a time, through the encoder's own methods."""
    pixels = encoder.preprocess(open_image(path))[None]
    mean = np.mean([encoder.encode_pixels(view)[0].numpy() for view in views_of(pixels, views)], axis=0)
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize("views", [4, 8])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_views_are_averaged_image_by_image_whatever_the_batch(tiny_encoder, paths, views: int, batch_size: int) -> None:
    images = [*paths, paths[0].with_name("missing.png")]
    result = embed_images(tiny_encoder, images, views=views, batch_size=batch_size)
    slow = np.stack([one_by_one(tiny_encoder, path, views) for path in paths])
    np.testing.assert_allclose(result.features[:7], slow, atol=1e-6)
    assert result.ok.tolist() == [True] * 7 + [False] and not result.features[7].any()
    assert not np.allclose(result.features[:7], embed_images(tiny_encoder, paths).features, atol=1e-3)


def test_one_view_is_to_the_bit_what_no_word_of_views_gives(tiny_encoder, paths: list[Path]) -> None:
    expected = embed_images(tiny_encoder, paths).features
    assert embed_images(tiny_encoder, paths, views=1).features.tobytes() == expected.tobytes()


def test_each_image_is_decoded_once_however_many_views(tiny_encoder, paths, monkeypatch) -> None:
    plain, decoded = type(tiny_encoder).preprocess, []

    def counting(self, image: Image.Image) -> torch.Tensor:
        decoded.append(image)
        return plain(self, image)

    monkeypatch.setattr(type(tiny_encoder), "preprocess", counting)
    embed_images(tiny_encoder, paths, views=8, batch_size=4)
    assert len(decoded) == 7
    assert tiny_encoder.batch_sizes == [4] * 8 + [3] * 8  # one view of one batch at a time


def test_batches_of_views_put_together_are_what_embed_images_gives(tiny_encoder, paths: list[Path]) -> None:
    parts = list(embed_batches(tiny_encoder, iter(paths), views=4, batch_size=2))
    whole = embed_images(tiny_encoder, paths, views=4, batch_size=7).features
    np.testing.assert_allclose(np.concatenate([part.features for part in parts]), whole, atol=1e-6)


def test_rows_of_different_views_are_kept_apart_in_the_cache(tiny_encoder, paths, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    rows = {views: embed_images(tiny_encoder, paths, views=views, cache=cache).features for views in (1, 4, 8)}
    assert len(stored(cache)) == 3 * 7
    folders = {path.relative_to(cache).parts[0] for path in stored(cache)}
    assert folders == {"images-4", "images-4-views-4", "images-4-views-8"}  # one view stays where it was
    tiny_encoder.images_encoded = 0
    for views, before in rows.items():
        np.testing.assert_array_equal(embed_images(tiny_encoder, paths, views=views, cache=cache).features, before)
    assert tiny_encoder.images_encoded == 0


def test_a_number_of_views_that_there_is_no_set_of_is_refused_before_the_work(tiny_encoder, tmp_path: Path) -> None:
    for views in (0, 2, 5):
        with pytest.raises(SettingsError, match="one of 1, 4, 8"):
            embed_batches(tiny_encoder, [], views=views, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_views_of_a_batch_that_does_not_fit_the_device_are_halved_too(paths: list[Path], tiny_encoder) -> None:
    device = SmallDevice(tiny_encoder, room=2)
    rows = embed_images(device, paths, views=4).features
    np.testing.assert_allclose(rows, embed_images(tiny_encoder, paths, views=4).features, atol=1e-6)


def test_the_first_batch_is_heard_of_while_it_lasts(tiny_encoder, paths: list[Path], monkeypatch) -> None:
    told: list[float] = []
    encode = type(tiny_encoder).encode_pixels
    before: list[float] = []

    def watched(self, pixels: torch.Tensor) -> torch.Tensor:
        before.append(sum(told))
        return encode(self, pixels)

    monkeypatch.setattr(type(tiny_encoder), "encode_pixels", watched)
    list(embed_batches(tiny_encoder, paths, batch_size=len(paths), tell=told.append))
    assert before == [len(paths) / 2] and sum(told) == len(paths)
