"""A data set of embeddings on disk: its list, its manifest and its parts, whole or damaged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from zsderm.embeddings.dataset_folder import DatasetFolder
from zsderm.embeddings.dataset_list import Listed, listed_names
from zsderm.embeddings.image_features import ImageEmbeddings
from zsderm.errors import InputError, SettingsError
from zsderm.places import LocalFolder

WIDTH = 4
ENCODER = {"model": "tiny", "fingerprint": "0123", "width": WIDTH, "licence": "MIT", "views": 1, "decoding": "images-4"}
NAMES = [f"photos/{number}.png" for number in range(7)]


def begun(place: Path, names: list[str] = NAMES, **changed: Any) -> DatasetFolder:
    return DatasetFolder.begin(place, {**ENCODER, **changed}, iter(names), part_rows=3)


def embeddings(count: int, seed: int = 0, failed: tuple[int, ...] = ()) -> ImageEmbeddings:
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[list(failed)] = 0
    ok = np.array([row not in failed for row in range(count)])
    return ImageEmbeddings(rows, ok, {row: "the file is empty" for row in failed})


def made(place: Path, names: list[str] = NAMES, **changed: Any) -> DatasetFolder:
    dataset = begun(place, names, **changed)
    parts = dataset.missing()
    failed = 0
    for part, of_part in zip(parts, dataset.images(parts), strict=True):
        failed += dataset.write_part(part, of_part, embeddings(len(of_part), part, (1,) if part == 1 else ()))
    dataset.finish(failed, {"command": "zsderm embed"})
    return DatasetFolder.open(place)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(".draft-")}


def test_a_folder_holds_a_list_a_manifest_and_parts_of_equal_length(tmp_path: Path) -> None:
    dataset = made(tmp_path / "new" / "rows")
    names = ["embeddings.json", "images.parquet", *(f"part-00000{part}.parquet" for part in range(3))]
    assert sorted(path.name for path in (tmp_path / "new" / "rows").iterdir()) == names
    assert [len(dataset.facts.rows(part)) for part in range(dataset.facts.parts)] == [3, 3, 1]
    assert dataset.finished is not None and dataset.finished["failed"] == 1
    said = json.loads((tmp_path / "new" / "rows" / "embeddings.json").read_text(encoding="utf-8"))
    assert (said["images"], said["part_rows"], said["encoder"]) == (7, 3, ENCODER)


def test_a_part_is_a_table_for_whoever_reads_it(tmp_path: Path) -> None:
    made(tmp_path / "rows")
    table = parquet.read_table(tmp_path / "rows" / "part-000001.parquet")
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), WIDTH)
    assert table["image"].to_pylist() == NAMES[3:6]
    assert table["ok"].to_pylist() == [True, False, True] == [bool(row) for row in table["embedding"].to_pylist()]
    assert table["error"].to_pylist() == ["", "the file is empty", ""]
    about = json.loads(table.schema.metadata[b"zsderm"])
    assert {name: about[name] for name in ENCODER} == ENCODER and about["failed"] == 1


def test_what_is_written_is_read_again_and_a_part_made_again_has_the_same_bytes(tmp_path: Path) -> None:
    dataset = made(tmp_path / "rows")
    before = content(tmp_path / "rows")
    for part in range(3):
        names, rows, errors = dataset.read_part(part)
        assert names == [NAMES[row] for row in dataset.facts.rows(part)]
        failed = (1,) if part == 1 else ()
        expected = embeddings(len(names), part, failed)
        np.testing.assert_array_equal(np.nan_to_num(rows), expected.features)
        assert np.isnan(rows).all(axis=1).tolist() == [bool(error) for error in errors]
        (tmp_path / "rows" / dataset.part_name(part)).unlink()
        assert dataset.missing() == [part]
        dataset.write_part(part, names, expected)
    assert content(tmp_path / "rows") == before


def test_rows_that_are_not_those_of_the_part_are_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part 2 has 1 rows, not 3"):
        begun(tmp_path / "rows").write_part(2, NAMES[:3], embeddings(3))


@pytest.mark.parametrize("group", [1, 2, 3, 100])
def test_names_of_any_parts_are_those_of_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    monkeypatch.setattr("zsderm.embeddings.dataset_list._GROUP", group)
    strange = os.fsdecode(b"photos/\xff\xfe.png")
    names = [*NAMES, strange, "photos/Größe.png", "a\nb.png"]
    dataset = begun(tmp_path / "rows", names)
    for parts in ([0, 1, 2, 3], [1, 3], [2], []):
        expected = [[names[row] for row in dataset.facts.rows(part)] for part in parts]
        assert list(dataset.images(parts)) == expected
    assert dataset.facts.list_digest == Listed.of(names).digest


def test_it_is_found_again_with_the_same_images_and_keeps_its_parts(tmp_path: Path) -> None:
    first = made(tmp_path / "rows")
    before = content(tmp_path / "rows")
    again = DatasetFolder.begin(tmp_path / "rows", ENCODER, NAMES, part_rows=5)
    assert again.facts == first.facts and again.missing() == [] and content(tmp_path / "rows") == before


@pytest.mark.parametrize(
    ("names", "changed", "said"),
    [
        (NAMES[:-1], {}, "was begun with 7 images, and now there are 6 images"),
        (NAMES[::-1], {}, "was begun with 7 images, and now there are other images, or another way of naming them"),
        (NAMES, {"fingerprint": "4567"}, "the encoder was 0123, and is 4567 now"),
        (NAMES, {"views": 4}, "the number of views was 1, and is 4 now"),
        (NAMES, {"decoding": "images-5"}, "how images are decoded was images-4, and is images-5 now"),
    ],
)
def test_other_images_or_another_encoder_are_refused_and_nothing_changes(
    tmp_path: Path, names: list[str], changed: dict[str, Any], said: str
) -> None:
    made(tmp_path / "rows")
    before = content(tmp_path / "rows")
    with pytest.raises(SettingsError, match=said):
        begun(tmp_path / "rows", names, **changed)
    assert content(tmp_path / "rows") == before


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(SettingsError, match=r"new or empty, or a data set of embeddings, but it holds 'thesis\.txt'"):
        begun(tmp_path)
    assert content(tmp_path) == {"thesis.txt": b""}


def test_a_list_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"image": ["a"]}), tmp_path / "images.parquet")
    before = content(tmp_path)
    with pytest.raises(SettingsError, match="it is not what zsderm writes there"):
        begun(tmp_path)
    assert content(tmp_path) == before


def test_no_images_are_a_mistake_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least one image"):
        begun(tmp_path / "rows", [])
    assert list((tmp_path / "rows").iterdir()) == []


def test_a_run_that_was_stopped_between_list_and_manifest_begins_again(tmp_path: Path) -> None:
    expected = begun(tmp_path / "rows").facts
    (tmp_path / "rows" / "embeddings.json").unlink()
    assert begun(tmp_path / "rows").facts == expected


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]])
def test_a_list_that_another_run_has_put_there_meanwhile_stays(tmp_path: Path, names: list[str]) -> None:
    def slowly() -> Iterator[str]:
        yield from names[:4]
        made(tmp_path / "rows")
        before.update(content(tmp_path / "rows"))
        yield from names[4:]

    before: dict[str, bytes] = {}
    if names == NAMES:
        assert DatasetFolder.begin(tmp_path / "rows", ENCODER, slowly(), part_rows=2).missing() == []
    else:
        with pytest.raises(SettingsError, match="other images"):
            DatasetFolder.begin(tmp_path / "rows", ENCODER, slowly())
    assert content(tmp_path / "rows") == before


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_encoder(file: Path) -> None:
    made(file.parent / "other", fingerprint="4567")
    shutil.copy(file.parent / "other" / file.name, file)


def other_list(file: Path) -> None:
    made(file.parent / "other", [f"other/{name}" for name in NAMES])
    shutil.copy(file.parent / "other" / file.name, file)


def swapped(file: Path) -> None:
    shutil.copy(file.with_name("part-000001.parquet"), file)


def no_table_of_ours(file: Path) -> None:
    parquet.write_table(pa.table({"image": ["a"]}), file)


def changed_table(file: Path, **columns: Any) -> None:
    table = parquet.read_table(file)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values, table.schema.field(name).type))
    parquet.write_table(table, file)


def not_unit(file: Path) -> None:
    changed_table(file, embedding=[[2.0] * WIDTH] * 3)


def without_reason(file: Path) -> None:
    changed_table(file, ok=[False, True, True])


def another_width(file: Path) -> None:
    table = parquet.read_table(file)
    table = table.set_column(3, "embedding", pa.array([[1.0]] * 3, pa.list_(pa.float32(), 1)))
    parquet.write_table(table, file)


PARTS_DAMAGED = [
    (cut, ""),
    (empty, ""),
    (Path.unlink, "is missing. Run the command"),
    (other_encoder, "made by another encoder"),
    (other_list, "of another list of images"),
    (swapped, "it is another part"),
    (no_table_of_ours, ""),
    (not_unit, "row 1 has length 4 instead of 1"),
    (without_reason, "ok and error contradict"),
    (another_width, ""),
]


@pytest.mark.parametrize(("damage", "said"), PARTS_DAMAGED, ids=[damage.__name__ for damage, _ in PARTS_DAMAGED])
def test_a_damaged_part_is_an_error_that_says_how_to_make_it_again(tmp_path: Path, damage: Any, said: str) -> None:
    dataset = made(tmp_path / "rows")
    damage(tmp_path / "rows" / "part-000000.parquet")
    with pytest.raises(InputError, match=r"'part-000000\.parquet' of the data set .*only this part is made") as error:
        dataset.read_part(0)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert dataset.read_part(1)[0] == NAMES[3:6]


LISTS_DAMAGED = [(cut, ""), (empty, ""), (Path.unlink, ""), (other_list, "list of other images")]


@pytest.mark.parametrize(("damage", "said"), LISTS_DAMAGED, ids=[damage.__name__ for damage, _ in LISTS_DAMAGED])
def test_a_damaged_list_is_an_error_and_is_made_again_where_it_is_deleted(
    tmp_path: Path, damage: Any, said: str
) -> None:
    dataset = made(tmp_path / "rows")
    file = tmp_path / "rows" / "images.parquet"
    before = file.read_bytes()
    damage(file)
    shutil.rmtree(tmp_path / "rows" / "other", ignore_errors=True)
    with pytest.raises(
        InputError, match=r"cannot read 'images\.parquet' .*Delete that file and run the command"
    ) as error:
        list(dataset.images([0, 1]))
    assert said in str(error.value)
    file.unlink(missing_ok=True)
    assert begun(tmp_path / "rows").missing() == [] and file.read_bytes() == before


def test_a_deleted_list_is_not_written_again_with_other_images(tmp_path: Path) -> None:
    made(tmp_path / "rows")
    (tmp_path / "rows" / "images.parquet").unlink()
    before = content(tmp_path / "rows")
    with pytest.raises(SettingsError, match="other images"):
        begun(tmp_path / "rows", NAMES[::-1])
    assert content(tmp_path / "rows") == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images.parquet", "part-000001.parquet"])
def test_a_flipped_bit_is_an_error_or_changes_nothing_that_is_read(tmp_path: Path, name: str) -> None:
    dataset = made(tmp_path / "rows")
    file = tmp_path / "rows" / name
    raw = file.read_bytes()

    def read() -> object:
        if name == "images.parquet":
            return list(dataset.images([0, 1, 2]))
        names, rows, errors = dataset.read_part(1)
        return names, rows.tobytes(), errors

    expected, refused = read(), 0
    for place in range(0, len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        file.write_bytes(changed)
        try:
            assert read() == expected, f"byte {place}"
        except InputError:
            refused += 1
    assert refused > len(raw) // 4


def test_the_error_of_a_generator_of_stretches_is_its_own(tmp_path: Path) -> None:
    dataset = made(tmp_path / "rows")

    def stretches() -> Iterator[range]:
        yield range(3)
        raise KeyboardInterrupt

    listed = Listed(dataset.facts.images, dataset.facts.list_digest)
    names = listed_names(LocalFolder(tmp_path / "rows"), listed, stretches())
    assert next(names) == NAMES[:3]
    with pytest.raises(KeyboardInterrupt):
        next(names)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:40],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace("zsderm embeddings", "another thing"),
        lambda text: text.replace('"images": 7', '"images": 0'),
        lambda text: text.replace('"images": 7', '"images": "7"'),
        lambda text: text.replace('"part_rows": 3', '"part_rows": -3'),
        lambda text: text.replace('"width": 4', '"width": null'),
        lambda text: text.replace('"failed": 1', '"failed": "none"'),
        lambda text: text.replace('"list_digest"', '"digest"'),
    ],
)
def test_a_damaged_manifest_is_an_error(tmp_path: Path, change: Any) -> None:
    made(tmp_path / "rows")
    file = tmp_path / "rows" / "embeddings.json"
    text = file.read_text(encoding="utf-8")
    assert change(text) != text
    file.write_text(change(text), encoding="utf-8")
    for use in (DatasetFolder.open, begun):
        with pytest.raises(InputError, match=r"cannot read the data set of embeddings .*Make it in a new folder"):
            use(tmp_path / "rows")


def test_a_folder_without_a_data_set_says_how_to_make_one(tmp_path: Path) -> None:
    assert not DatasetFolder.exists(tmp_path / "rows")
    with pytest.raises(InputError, match="zsderm embed"):
        DatasetFolder.open(tmp_path / "rows")
