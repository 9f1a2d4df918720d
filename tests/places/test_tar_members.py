"""Photographs in tar shards: found, opened where they lie, and what a shard may not do."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import TinyEncoder
from tests.places.s3_server import S3Server
from tests.places.test_buckets import name, photograph
from zsderm.embeddings import embed_images
from zsderm.errors import ImageError
from zsderm.images import Pattern, find, open_file, open_image
from zsderm.places import tar_members
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.pack import pack


def shard(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for member, inside in files.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(inside)
            tar.addfile(entry, io.BytesIO(inside))
    return content.getvalue()


def test_what_pack_writes_is_read_as_it_was(tmp_path: Path, tiny_encoder: TinyEncoder) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rows = ["filename,caption"]
    for number in range(7):
        (photos / f"{number}.png").write_bytes(photograph(number, "PNG"))
        rows.append(f"photos/{number}.png,a lesion")
    (tmp_path / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    shards, errors = pack(Source(table="table.csv"), tmp_path, tmp_path / "shards", per_shard=3)
    assert len(shards) == 3 and not errors

    passed_over = Counter[str]()
    found = find(Pattern(str(tmp_path / "shards" / "*.tar")), passed_over=passed_over)
    first = tmp_path / "shards" / "shard-000000.tar"
    assert found[:3] == [first / f"00000000{number}.png" for number in range(3)] and len(found) == 7
    assert passed_over == {".json": 7}
    assert find(first) == find(str(first)) == found[:3]
    rows_of_shards = embed_images(tiny_encoder, found)
    assert (rows_of_shards.features == embed_images(tiny_encoder, find(photos)).features).all()
    assert rows_of_shards.ok.all()


@pytest.mark.slow
def test_shards_in_a_bucket_are_fetched_once_each(
    s3: S3Server, tiny_encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [{f"{part}/{number}.jpg": photograph(10 * part + number) for number in range(10)} for part in range(3)]
    bucket = s3.bucket(name(), {f"shards/{part}.tar": shard(inside[part]) for part in range(3)})
    fetched: list[str] = []
    plain = tar_members.fetched
    monkeypatch.setattr(tar_members, "fetched", lambda address: (fetched.append(str(address)), plain(address))[1])
    place = f"s3://{bucket.name}/shards"
    images = find(Pattern(f"{place}/*.tar"))
    assert images == [f"{place}/{part}.tar/{part}/{number}.jpg" for part in range(3) for number in range(10)]
    found = embed_images(tiny_encoder, images)
    assert found.ok.all() and sorted(fetched) == [f"{place}/{part}.tar" for part in range(3)]
    bytes_of = [open_image(photograph(10 * part + number)) for part in range(3) for number in range(10)]
    assert (found.features == embed_images(tiny_encoder, bytes_of).features).all()
    with pytest.raises(ImageError, match=r"^no such file in the tar file$"):
        open_file(f"{place}/0.tar/0/99.jpg")
    with pytest.raises(ImageError, match="no such object"):
        open_file(f"{place}/9.tar/0/1.jpg")


def test_threads_read_one_shard_at_once(tmp_path: Path) -> None:
    inside = {f"{number}.bin": bytes([number]) * 50_000 for number in range(40)}
    (tmp_path / "many.tar").write_bytes(shard(inside))

    def whole(member: str) -> bytes:
        with open_file(tmp_path / "many.tar" / member) as stream:
            return stream.read()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(whole, inside)) == list(inside.values())


def test_a_shard_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    place = tmp_path / "a.tar"
    for content in (b"first", b"the second, which is longer"):
        place.write_bytes(shard({"0.jpg": content, "1.jpg": b"x" * len(content)}))
        with open_file(place / "0.jpg") as stream:
            assert stream.read() == content


def test_members_that_cannot_be_read_have_a_reason(tmp_path: Path) -> None:
    content = shard(
        {"./a/1.jpg": photograph(1), "../2.jpg": photograph(2), "e.jpg": b"", ".h.jpg": b"x", "3.jpg": b"x"}
    )
    (tmp_path / "a.tar").write_bytes(content)
    assert [image.name for image in find(tmp_path / "a.tar")] == ["1.jpg", "2.jpg", "e.jpg", "3.jpg"]
    assert open_image(tmp_path / "a.tar" / "a" / "1.jpg").size == (12, 12)
    for member, reason in {"../2.jpg": "leads out of the tar file", "e.jpg": "the file is empty"}.items():
        with pytest.raises(ImageError, match=reason):
            open_file(f"{tmp_path}/a.tar/{member}")
    with pytest.raises(ImageError, match="more than the limit"):
        open_file(tmp_path / "a.tar" / "a" / "1.jpg", most=10)


@pytest.mark.parametrize(
    "content", [b"no tar", b"", photograph(1), b"\x1f\x8b" + b"x" * 600], ids=["text", "empty", "jpeg", "gz"]
)
def test_what_is_no_tar_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ImageError, match=r"cannot read '.*a\.tar': (no tar file|the tar file holds no files)"):
        find(tmp_path / "a.tar")


def test_a_tar_file_that_was_cut_short_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    whole = shard({"1.jpg": photograph(1), "2.bin": b"x" * 5000})
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"x" * 5000) + 2000])
    with pytest.raises(ImageError, match=r"cannot read '.*a\.tar': the tar file ends in the middle of a file"):
        find(tmp_path / "a.tar")


def test_a_folder_passes_tar_files_over(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(photograph(1))
    (tmp_path / "a.tar").write_bytes(shard({"1.jpg": photograph(1)}))
    passed_over = Counter[str]()
    assert find(tmp_path, passed_over=passed_over) == [tmp_path / "1.jpg"] and passed_over == {".tar": 1}
