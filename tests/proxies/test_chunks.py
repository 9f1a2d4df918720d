"""Features that stay in their file: every row once, in order, as float32, whatever the chunk size and the type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.errors import SettingsError
from zsderm.progress import progress_bar
from zsderm.proxies.chunks import FeatureChunks, KnownRows


def rows(count: int = 25, width: int = 4) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize("chunk_size", [1, 4, 5, 7, 24, 25, 26, 1000])
def test_a_pass_gives_every_row_once_in_order(chunk_size: int) -> None:
    chunks = [chunk.clone() for chunk in FeatureChunks(rows(), chunk_size).read()]
    assert torch.equal(torch.cat(chunks), torch.from_numpy(rows()))
    assert {len(chunk) for chunk in chunks[:-1]} <= {chunk_size}


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_mapped_file_of_any_float_type_gives_float32_and_is_not_changed(tmp_path: Path, kind: type) -> None:
    np.save(tmp_path / "features.npy", rows().astype(kind))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    for chunk in FeatureChunks(mapped, 7).read():
        assert chunk.dtype == torch.float32
        chunk.zero_()
    np.testing.assert_array_equal(np.load(tmp_path / "features.npy"), rows().astype(kind))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_tensors_are_read_too(kind: torch.dtype) -> None:
    features = torch.from_numpy(rows()).to(kind)
    assert torch.equal(torch.cat([chunk.clone() for chunk in FeatureChunks(features, 6).read()]), features.float())


def test_a_pass_through_a_file_needs_the_memory_of_one_chunk(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.ones((200_000, 64), np.float16))  # 51 MB as float32
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        count = sum(len(chunk) for chunk in FeatureChunks(mapped, 1000).read())
    assert count == 200_000
    assert sum(max(event.cpu_memory_usage, 0) for event in profile.events()) < 2_000_000


@pytest.mark.parametrize("chunk_size", [None, 25, 1000])
def test_features_in_one_chunk_are_kept_and_are_not_sampled(chunk_size: int | None) -> None:
    chunks = FeatureChunks(rows(), chunk_size)
    assert chunks.whole is not None and next(chunks.read()) is chunks.whole
    assert chunks.sampled(3, seed=0) is chunks and chunks.load() is chunks.whole


def test_a_sample_of_several_chunks_is_one_chunk() -> None:
    chunks = FeatureChunks(rows(), 4)
    sample = chunks.sampled(10, seed=3)
    assert sample.whole is not None and torch.equal(sample.whole, chunks.sample(10, seed=3))
    assert torch.equal(chunks.load(), torch.from_numpy(rows()))


@pytest.mark.parametrize("chunk_size", [None, 4])
def test_the_mean_is_subtracted_from_every_row_and_the_features_are_not_changed(chunk_size: int | None) -> None:
    features = torch.from_numpy(rows())
    chunks = FeatureChunks(features, chunk_size)
    torch.testing.assert_close(chunks.mean(), features.mean(dim=0))
    centred = torch.cat([chunk.clone() for chunk in chunks.centred(chunks.mean()).read()])
    torch.testing.assert_close(centred, features - features.mean(dim=0))
    assert torch.equal(features, torch.from_numpy(rows()))


def test_rows_are_read_in_double_precision_where_asked_for() -> None:
    for chunk_size in (None, 4):
        assert {chunk.dtype for chunk in FeatureChunks(rows(), chunk_size, dtype=torch.float64).read()} == {
            torch.float64
        }


def test_a_sample_is_seeded_drawn_without_replacement_and_in_the_order_of_the_file() -> None:
    numbered = np.arange(100, dtype=np.float32)[:, None]
    sample = FeatureChunks(numbered).sample(30, seed=1)[:, 0]
    assert torch.equal(sample, FeatureChunks(numbered).sample(30, seed=1)[:, 0])
    assert not torch.equal(sample, FeatureChunks(numbered).sample(30, seed=2)[:, 0])
    assert sample.diff().min() > 0
    assert torch.equal(FeatureChunks(numbered).sample(1000, seed=1)[:, 0], torch.arange(100.0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_or_infinity_in_any_chunk_is_refused(value: float) -> None:
    features = rows()
    features[17, 2] = value
    with pytest.raises(SettingsError, match="finite image features"):
        list(FeatureChunks(features, 6).read())


def test_finite_values_whose_sum_overflows_are_read() -> None:
    features = np.full((4, 4), 3e38, np.float32)
    assert torch.equal(next(FeatureChunks(features).read()), torch.from_numpy(features))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (1, 2, 3)])
def test_what_is_not_a_matrix_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="image features to be a matrix"):
        FeatureChunks(np.zeros(shape))


def test_a_chunk_size_below_1_is_refused() -> None:
    with pytest.raises(SettingsError, match="chunk_size"):
        FeatureChunks(rows(), 0)


def test_each_chunk_is_announced_when_it_is_done() -> None:
    said: list[tuple[str, int]] = []
    list(FeatureChunks(rows(), 10, lambda title, done: said.append((title, done))).read("labels"))
    assert said == [("labels", 10), ("labels", 20), ("labels", 25)]


@pytest.mark.parametrize("wanted", [False, True])
def test_the_bar_shows_only_on_a_terminal_and_never_on_stdout(wanted: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(10, wanted) as announce:
        announce("labels", 10)
    assert capsys.readouterr().out == ""


def test_the_bar_names_each_pass_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then treats stderr as a terminal
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar(10, wanted=True) as announce:
        for title, done in [("class totals", 5), ("class totals", 10), ("proxies, pass 2", 5)]:
            announce(title, done)
    said = capsys.readouterr()
    assert "proxies, pass 2" in said.err
    assert said.out == ""


@pytest.mark.parametrize("kind", [np.float16, np.float32, torch.bfloat16])
def test_rows_of_images_that_could_not_be_read_are_passed_over(tmp_path: Path, kind: type | torch.dtype) -> None:
    whole = rows()
    whole[[0, 7, 24]] = np.nan
    if isinstance(kind, torch.dtype):
        features = torch.from_numpy(whole).to(kind)
    else:
        np.save(tmp_path / "features.npy", whole.astype(kind))
        features = np.load(tmp_path / "features.npy", mmap_mode="r")
    known = KnownRows(features)
    expected = torch.from_numpy(np.delete(rows(), [0, 7, 24], axis=0))
    assert len(known) == 22 and known.shape == (22, 4)
    for read in (known[:], torch.cat([chunk.clone() for chunk in FeatureChunks(known, 5).read()])):
        assert read.dtype == torch.float32
        torch.testing.assert_close(read, expected, atol=1e-2, rtol=1e-2)
    assert FeatureChunks(known).sample(10, seed=0).shape == (10, 4)


def test_an_array_without_rows_has_none() -> None:
    assert len(KnownRows(np.empty((0, 4), np.float32))) == 0
