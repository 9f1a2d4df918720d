from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zsderm.embeddings import embed_images, read_embeddings, write_embeddings
from zsderm.errors import InputError, SettingsError
from zsderm.images import walk

FORMATS = ["rows.npy", "rows.parquet"]


@pytest.fixture
def damaged(paths: list[Path]) -> list[Path]:
    paths[2].write_bytes(b"")
    return paths


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("batch_size", [2, 64])
def test_what_is_written_is_read_again(tiny_encoder, damaged, tmp_path: Path, name: str, batch_size: int) -> None:
    path = tmp_path / "new folder" / name
    assert write_embeddings(path, tiny_encoder, walk(damaged[0].parent), batch_size=batch_size) == (7, 1)
    stored = read_embeddings(path, tiny_encoder)
    assert stored.images == [str(image) for image in damaged]
    assert stored.errors == ["", "", "the file is empty", "", "", "", ""]
    expected = embed_images(tiny_encoder, damaged)
    assert np.isnan(stored.features[2]).all()
    np.testing.assert_allclose(stored.features[expected.ok], expected.features[expected.ok], atol=1e-6)
    assert (stored.encoder["model"], stored.encoder["fingerprint"]) == ("tiny", tiny_encoder.fingerprint)
    assert stored.encoder["licence"] == "Apache-2.0"


def test_a_npy_file_is_plain_and_its_lines_are_beside_it(tiny_encoder, damaged, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "rows.npy", tiny_encoder, damaged, batch_size=3)
    assert np.load(tmp_path / "rows.npy").shape == (7, 32)
    table = pd.read_csv(tmp_path / "rows.csv", keep_default_na=False)
    assert list(table) == ["image", "error"] and len(table) == 7
    about = json.loads((tmp_path / "rows.json").read_text())
    assert (about["images"], about["failed"], about["width"]) == (7, 1, 32)


def test_a_parquet_file_is_one_row_an_image_for_whoever_reads_it(tiny_encoder, damaged, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "rows.parquet", tiny_encoder, damaged)
    table = pd.read_parquet(tmp_path / "rows.parquet")
    assert list(table) == ["image", "embedding", "error"]
    assert table["embedding"].isna().tolist() == [False, False, True, False, False, False, False]
    assert len(table["embedding"][0]) == 32


def test_rows_of_many_batches_are_gathered_into_groups(tiny_encoder, paths, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zsderm.embeddings.feature_files.ROW_GROUP", 5)
    write_embeddings(tmp_path / "rows.parquet", tiny_encoder, paths * 3, batch_size=2)
    from pyarrow import parquet

    groups = parquet.ParquetFile(tmp_path / "rows.parquet").metadata
    assert [groups.row_group(index).num_rows for index in range(groups.num_row_groups)] == [6, 6, 6, 3]
    assert read_embeddings(tmp_path / "rows.parquet").images == [str(path) for path in paths * 3]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_appears_when_it_is_complete_or_not_at_all(tiny_encoder, paths, tmp_path: Path, name: str) -> None:
    def interrupted():
        yield from paths
        raise KeyboardInterrupt

    (tmp_path / name).write_bytes(b"from yesterday")
    with pytest.raises(KeyboardInterrupt):
        write_embeddings(tmp_path / name, tiny_encoder, interrupted(), batch_size=2)
    assert (tmp_path / name).read_bytes() == b"from yesterday"
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("name", FORMATS)
def test_embeddings_of_another_encoder_are_refused_not_guessed(tiny_encoder, paths, tmp_path: Path, name: str) -> None:
    write_embeddings(tmp_path / name, tiny_encoder, paths)
    other = type(tiny_encoder)(fingerprint="fedcba9876543210")
    with pytest.raises(InputError, match=r"fedcba9876543210\) in .* but they are of 'tiny' \(0123456789abcdef\)"):
        read_embeddings(tmp_path / name, other)


def test_a_table_that_does_not_belong_to_the_rows_is_refused(tiny_encoder, paths, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "rows.npy", tiny_encoder, paths)
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match=r"7 rows, but 6 images in rows\.csv"):
        read_embeddings(tmp_path / "rows.npy")


@pytest.mark.parametrize("name", ["missing.npy", "missing.parquet"])
def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="zsderm embed"):
        read_embeddings(tmp_path / name)


def test_another_suffix_and_a_place_that_cannot_be_written_are_refused(tiny_encoder, paths, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ending in .npy or .parquet, but got"):
        write_embeddings(tmp_path / "rows.h5", tiny_encoder, paths)
    (tmp_path / "file").write_text("")
    for name in FORMATS:
        with pytest.raises(SettingsError, match="cannot write"):
            write_embeddings(tmp_path / "file" / name, tiny_encoder, paths)


@pytest.mark.parametrize("name", FORMATS)
def test_names_that_are_not_utf_8_are_written_visibly(tiny_encoder, paths, tmp_path: Path, name: str) -> None:
    odd = paths[0].rename(Path(os.fsdecode(os.fsencode(paths[0].parent) + b"/sch\xf6n.png")))
    write_embeddings(tmp_path / name, tiny_encoder, [odd])
    assert read_embeddings(tmp_path / name).images[0].endswith("sch\\xf6n.png")


@pytest.mark.parametrize("name", FORMATS)
def test_the_number_of_views_stands_beside_the_rows_and_another_one_is_refused(
    tiny_encoder, damaged, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    write_embeddings(path, tiny_encoder, damaged, views=4, batch_size=2)
    stored = read_embeddings(path, tiny_encoder, views=4)
    expected = embed_images(tiny_encoder, damaged, views=4)
    np.testing.assert_allclose(stored.features[expected.ok], expected.features[expected.ok], atol=1e-6)
    assert (stored.views, read_embeddings(path).views) == (4, 4)
    with pytest.raises(InputError, match=r"expected embeddings of 1 views in .* but they are of 4.*--views 1, or use"):
        read_embeddings(path, tiny_encoder, views=1)
    write_embeddings(path, tiny_encoder, damaged)
    assert read_embeddings(path).encoder["views"] == 1
    with pytest.raises(InputError, match="expected embeddings of 8 views"):
        read_embeddings(path, views=8)


def test_without_a_number_the_rows_are_of_as_many_views_as_the_encoders_card_says(
    tiny_encoder, paths, tmp_path: Path
) -> None:
    tiny_encoder.card = replace(tiny_encoder.card, views=4)
    write_embeddings(tmp_path / "rows.npy", tiny_encoder, paths)
    write_embeddings(tmp_path / "one.npy", tiny_encoder, paths, views=1)
    stored = [read_embeddings(tmp_path / name) for name in ("rows.npy", "one.npy")]
    assert [each.views for each in stored] == [4, 1]
    for each in stored:
        np.testing.assert_array_equal(each.features, embed_images(tiny_encoder, paths, views=each.views).features)


def test_files_of_before_there_were_views_are_of_one(tiny_encoder, paths, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "rows.npy", tiny_encoder, paths)
    about = json.loads((tmp_path / "rows.json").read_text())
    del about["views"]
    (tmp_path / "rows.json").write_text(json.dumps(about))
    assert read_embeddings(tmp_path / "rows.npy", tiny_encoder, views=1).views == 1
