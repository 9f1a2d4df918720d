"""The table: all methods on all folders, text proxies at zero, and Markdown from a file on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines.__main__ import main
from zsderm.benchmarks.baselines.table import TEXT, as_markdown, measure, methods
from zsderm.benchmarks.features import Features


@pytest.fixture(scope="module")
def features() -> Features:
    generator = torch.Generator().manual_seed(0)
    text = normalize(torch.randn(3, 12, generator=generator), dim=1)
    labels = torch.arange(54) % 3
    images = normalize(text[labels] + torch.randn(54, 12, generator=generator) / 12**0.5, dim=1)
    return Features("small", images, labels.numpy(), text)


@pytest.fixture(scope="module")
def figures(features: Features) -> pd.DataFrame:
    return measure(features, 0.01, seeds=1)


def test_every_method_is_measured_on_every_folder(figures: pd.DataFrame) -> None:
    assert len(figures) == len(methods(0.01)) * 4  # the natural mix and three classes; the set is balanced as it is
    assert figures[figures["method"] == TEXT]["change"].eq(0).all()
    assert figures["accuracy"].between(0, 100).all()


def test_change_is_against_text_proxies_on_the_same_images(figures: pd.DataFrame) -> None:
    natural = figures[figures["mix"] == "natural"].set_index("method")
    expected = natural["accuracy"] - natural.loc[TEXT, "accuracy"]
    pd.testing.assert_series_equal(natural["change"], expected, check_names=False)


def test_small_folders_are_left_alone_by_auto(figures: pd.DataFrame) -> None:
    assert figures[figures["method"] == "kpl auto"]["change"].eq(0).all()


def test_one_line_per_method_with_the_worst_change(figures: pd.DataFrame) -> None:
    lines = as_markdown(figures).splitlines()
    assert len(lines) == 2 + len(methods(0.01))
    assert "one class (3 of 18): mean, worst" in lines[0]
    worst = figures[(figures["method"] == "InMaP") & (figures["mix"] == "one class")]["change"].min()
    assert next(line for line in lines if line.startswith("| InMaP |")).endswith(f"{worst:+.1f} |")


def test_the_tables_are_printed_and_every_folder_written(features: Features, tmp_path: Path) -> None:
    file, rows = tmp_path / "small.npz", tmp_path / "rows.csv"
    arrays = {"image_features": features.image_features.numpy(), "text_proxies": features.text_proxies.numpy()}
    np.savez(file, labels=features.labels, **arrays)
    settings = ["--temperature", "0.01", "--temperature", "0.04", "--seeds", "1", "--output", str(rows)]
    result = CliRunner().invoke(main, ["--features", str(file), *settings])
    assert result.exit_code == 0, result.output
    assert "### small, temperature 0.01" in result.output
    assert "### small, temperature 0.04" in result.output
    assert "| TransCLIP |" in result.output
    assert result.output.count("| small | 54 |") == 1
    assert len(pd.read_csv(rows)) == 2 * 4 * len(methods(0.01))


def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", labels=np.zeros(3))
    result = CliRunner().invoke(main, ["--features", str(tmp_path / "half.npz")])
    assert result.exit_code == 1
    assert "to be an .npz with the arrays image_features" in result.output
