"""An encoder's home: its means, how far one class spreads, and the training images that it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from zsderm import load_encoder
from zsderm.benchmarks.experiments import refinement_home
from zsderm.benchmarks.experiments.refinement_home import Home, home_of

WIDTH = 64


def home(classes: tuple[str, ...] = ("nevus", "melanoma")) -> tuple[Home, torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    rows = normalize(torch.randn(120, WIDTH, generator=generator) + 0.5, dim=1)
    names = np.array([classes[n % 2] for n in range(120)])
    return Home(rows, names, np.array(["pad"] * 90 + ["ham10000"] * 30)), rows, names


def test_home_is_the_mean_of_the_means_of_sources_and_classes() -> None:
    found, rows, names = home()
    nevi = [rows[(torch.arange(120) < 90) & torch.tensor(names == "nevus")].mean(dim=0)]
    nevi += [rows[(torch.arange(120) >= 90) & torch.tensor(names == "nevus")].mean(dim=0)]
    own = found.mean_of(["melanocytic nevus", "wart"])
    assert own is not None and torch.allclose(own, (nevi[0] + nevi[1]) / 2, atol=1e-5)
    assert found.mean_of(["wart"]) is None
    both = found.mean_of(["nevus", "melanoma"])
    assert both is not None and torch.allclose(both, torch.stack(list(found.class_means.values())).mean(dim=0))


def test_images_of_home_are_familiar_and_others_are_not() -> None:
    found, rows, _ = home()
    statistics = found.statistics
    at_home = statistics.familiarity(rows).mean()
    assert abs(float(at_home)) < 0.1 and statistics.familiarity(-rows).mean() < at_home - 0.3


def test_the_mean_that_a_card_records_counts_every_table_alike() -> None:
    found, rows, names = home()
    tables = (rows[:100], rows[100:107])
    own = Home(rows, names, found.sources, tables).table_mean
    wanted = np.mean([np.mean(table.numpy(), axis=0) for table in tables], axis=0)
    assert own is not None and found.table_mean is None
    np.testing.assert_allclose(own, wanted, atol=1e-6)


def clusters(apart: float) -> tuple[torch.Tensor, np.ndarray]:
    """Three classes of 40 images around orthogonal means."""
    rows = torch.randn(120, WIDTH, generator=torch.Generator().manual_seed(3)) / WIDTH**0.5
    rows[torch.arange(120), torch.arange(120) % 3] += apart
    return normalize(rows, dim=1), np.array(["nevus", "melanoma", "wart"])[np.arange(120) % 3]


def slow_spread(features: np.ndarray, names: np.ndarray, sources: np.ndarray, folder: np.ndarray) -> float:
    """By loops, along axes from the eigenvectors of the scatter of class means."""
    classes = sorted(set(names))
    groups = {
        (name, source): [features[i] for i in range(len(names)) if names[i] == name and sources[i] == source]
        for name in classes
        for source in sorted(set(sources))
    }
    groups = {key: rows for key, rows in groups.items() if rows}
    means = np.array(
        [np.mean([np.mean(rows, axis=0) for key, rows in groups.items() if key[0] == name], axis=0) for name in classes]
    )
    _, vectors = np.linalg.eigh(np.cov(means.T))
    axes = vectors[:, 1 - len(classes) :].T
    squares = sum(
        float(axis @ (row - np.mean(rows, axis=0))) ** 2 for rows in groups.values() for row in rows for axis in axes
    )
    within = squares / sum(len(rows) - 1 for rows in groups.values())
    return sum(float(np.var(folder @ axis, ddof=1)) for axis in axes) / within


def test_spread_agrees_with_loops() -> None:
    rows, names = clusters(0.5)
    sources = np.array(["pad", "ham10000"])[(np.arange(120) > 70).astype(int)]
    spread = Home(rows, names, sources).spread_of(["nevus", "wart", "melanoma", "scabies"])
    assert spread is not None and spread.axes.shape == (2, WIDTH)
    wanted = slow_spread(rows.double().numpy(), names, sources, rows[:50].double().numpy())
    assert spread.of(rows[:50]) == pytest.approx(wanted)


def test_one_class_spreads_by_about_one_and_a_mixed_folder_by_more() -> None:
    rows, names = clusters(0.5)
    spread = Home(rows, names, np.full(120, "pad")).spread_of(["nevus", "wart", "melanoma"])
    assert spread is not None and math.isnan(spread.of(rows[:1]))
    for name in set(names):
        assert spread.of(rows[torch.from_numpy(names == name)]) == pytest.approx(1, abs=0.25)
    assert spread.of(rows) > 3


def test_spread_is_unknown_where_home_knows_fewer_than_two_of_the_classes() -> None:
    rows, names = clusters(0.5)
    found = Home(rows, names, np.full(120, "pad"))
    assert found.spread_of(["nevus", "scabies"]) is None
    assert found.spread_of(["nevus", "melanocytic nevus"]) is None  # one disease by two names
    assert found.spread_of(["melanocytic nevus", "wart"]) is not None


def test_a_home_in_fewer_dimensions_is_made_of_the_same_images() -> None:
    rows, names = clusters(0.5)
    axes = torch.linalg.qr(torch.randn(WIDTH, 8, generator=torch.Generator().manual_seed(0))).Q
    found = Home(rows, names, np.full(120, "pad"), (rows[:10],)).projected(axes)
    assert torch.allclose(found.features, normalize(rows @ axes, dim=1))
    assert torch.allclose(found.tables[0], found.features[:10])


def test_home_is_embedded_from_training_images(
    tmp_path: Path, make_photos: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement_home, "IMAGES_OF_CLASS", 2)
    monkeypatch.setattr(refinement_home, "IMAGES_OF_TABLE", 5)
    encoder, names = load_encoder("zsderm-mini"), [f"{number}.png" for number in range(9)]
    for source, labels in (("pad", "nevus,nevus,nevus,nevus,wart,wart,wart"), ("ham10000", "melanocytic nevus,wart")):
        make_photos(tmp_path / source, names)
        _table(tmp_path / source / "index.csv", names, labels.split(","))
    found = home_of(encoder, tmp_path, ["pad", "ham10000"], tmp_path / "cache")
    assert list(zip(found.diseases.tolist(), found.sources.tolist(), strict=True)) == [
        ("nevus", "pad"),
        ("nevus", "pad"),
        ("wart", "pad"),
        ("wart", "pad"),
        ("nevus", "ham10000"),
        ("wart", "ham10000"),
    ]
    assert [len(rows) for rows in found.tables] == [5, 2]
    training = encoder.encode_images([tmp_path / "ham10000" / name for name in names[:2]])
    np.testing.assert_allclose(found.tables[1].mean(dim=0), training.mean(dim=0), atol=1e-5)


def _table(file: Path, names: Sequence[str], labels: Sequence[str]) -> None:
    """The first images are for training, those without a label are for development."""
    rows = [f"{name},{label},train" for name, label in zip(names, labels, strict=False)]
    rows += [f"{name},nevus,dev" for name in names[len(labels) :]]
    file.write_text("filename,label,split\n" + "\n".join(rows) + "\n")
