"""Feature files made from photographs with the bundled encoder are ones that the table can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.baselines.embed import TEXTS, main
from zsderm.benchmarks.features import read_features


def test_one_file_per_kind_of_text_from_a_folder_with_a_subfolder_per_class(tmp_path: Path) -> None:
    for index, name in enumerate(["melanoma", "nevus"]):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for shade in (60, 180):
            Image.new("RGB", (40, 40), (shade, 40 + 90 * index, 80)).save(tmp_path / "photos" / name / f"{shade}.png")
    output = tmp_path / "features"
    result = CliRunner().invoke(main, ["--dataset", str(tmp_path / "photos"), "--output", str(output)])
    assert result.exit_code == 0, result.output
    files = [output / f"photos-{method}.npz" for method in TEXTS]
    assert result.output.split() == [str(file) for file in files]
    found = [read_features(file) for file in files]
    assert all(features.labels.tolist() == [0, 0, 1, 1] for features in found)
    assert np.load(files[0])["classes"].tolist() == ["melanoma", "nevus"]
    assert not (found[0].text_proxies == found[1].text_proxies).all()


def test_a_data_set_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--dataset", "no such set", "--output", str(tmp_path)])
    assert result.exit_code == 1
    assert "Error:" in result.output
    assert "Traceback" not in result.output
