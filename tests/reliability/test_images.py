"""Any file under any name is a row: an embedding of length one, or a reason in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tests.conftest import TinyEncoder
from tests.reliability.odd_images import odd_images
from zsderm.cli import main
from zsderm.embeddings.image_features import embed_images
from zsderm.errors import ImageError
from zsderm.images import find, open_image

pytestmark = pytest.mark.filterwarnings("default")  # what Pillow says of damaged files is no error here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    for name, data in odd_images(seed=1, count=320):
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.slow
def test_an_odd_file_is_a_picture_or_a_reason(folder: Path) -> None:
    opened = refused = 0
    for path in find(folder):
        try:
            image = open_image(path)
        except ImageError as error:
            refused += 1
            assert str(error) and str(error).isprintable() and len(str(error)) < 300, path.name
            assert "_whole_" not in path.name or "narrow" in str(error) or "finite" in str(error), (path.name, error)
        else:
            opened += 1
            assert image.mode == "RGB"
            assert "_no_picture" not in path.name
    assert opened > 130 and refused > 60  # both kinds are there


@pytest.mark.slow
def test_odd_files_change_nothing_for_the_others(folder: Path) -> None:
    encoder = TinyEncoder()
    paths = find(folder)
    found = embed_images(encoder, paths)
    good = [int(row) for row in np.flatnonzero(found.ok)]
    assert sorted([*good, *found.errors]) == list(range(len(paths)))
    alone = embed_images(encoder, [paths[row] for row in good[::10]], batch_size=1)
    np.testing.assert_allclose(found.features[good[::10]], alone.features, atol=1e-6)
    assert not found.features[~found.ok].any()
    np.testing.assert_allclose(np.linalg.norm(found.features[good], axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_every_odd_file_is_one_row_of_the_table_of_answers(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "answers.csv"
    arguments = ["--images", str(folder), "--classes", "melanoma, nevus", "--no-cache", "--output", str(output)]
    result = CliRunner().invoke(main, ["classify", *arguments])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(output, keep_default_na=False)
    assert [Path(name).name for name in table["image"]] == [path.name for path in find(folder)]
    assert ((table["label"] == "") == (table["error"] != "")).all()
