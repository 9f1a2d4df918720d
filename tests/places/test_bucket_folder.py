"""A folder in a bucket does what every folder of results does; on a real S3 server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import TinyEncoder
from tests.places.s3_server import S3Server
from tests.places.test_buckets import name, photograph
from zsderm.embeddings import embed_dataset, is_embeddings, read_embeddings
from zsderm.errors import InputError, SettingsError
from zsderm.places import BucketFolder, LocalFolder, PlaceError, folder_at

pytestmark = pytest.mark.slow  # they wait for a server


def test_it_does_what_a_folder_on_a_disk_does(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket(name(), {})
    for folder in (
        folder_at(f"s3://{bucket.name}/rows/"),
        folder_at(tmp_path / "rows"),
        folder_at(f"file://{tmp_path}/r"),
    ):
        assert list(folder.names()) == [] and not folder.has("a.txt")
        with folder.written("a.txt") as draft:
            draft.write_bytes(b"content")
            assert not folder.has("a.txt")
        with folder.below("deep").written("b.bin") as draft:
            draft.write_bytes(bytes(range(256)) * 1000)
        assert list(folder.names()) == ["a.txt"] and list(folder.below("deep").names()) == ["b.bin"]
        with folder.open("a.txt") as stream:
            assert stream.read() == b"content"
        with folder.below("deep").open("b.bin") as stream:
            assert stream.seekable() and stream.seek(-256, 2) == 255_744 and stream.read() == bytes(range(256))
            assert stream.seek(300) == 300 and stream.read(3) == bytes([44, 45, 46])
        with pytest.raises(OSError, match=r"no such object|No such file"):
            folder.open("none")
    assert bucket.get("rows/a.txt") == b"content"


def test_a_path_names_a_folder_on_a_disk_and_an_address_one_in_a_bucket(tmp_path: Path) -> None:
    assert isinstance(folder_at(tmp_path), LocalFolder) and isinstance(folder_at("s3://bucket/a"), BucketFolder)
    assert str(folder_at("s3://bucket/a/")) == "s3://bucket/a"
    assert folder_at(f"file://{tmp_path}").path == tmp_path


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux has one")
def test_a_full_disk_of_drafts_is_not_taken_for_a_fault_of_the_bucket(s3: S3Server) -> None:
    bucket = s3.bucket(name(), {})
    for fill in (lambda: Path("/dev/full").write_bytes(b"x"), lambda: pa.OSFile("/dev/full", "wb").write(b"x")):
        with (
            pytest.raises(SettingsError, match=rf"cannot write '{gettempdir()}', .* the disk is full"),
            folder_at(f"s3://{bucket.name}/rows").written("a.bin"),
        ):
            fill()
    assert bucket.names() == []


def test_a_draft_that_is_not_completed_leaves_nothing(s3: S3Server) -> None:
    bucket = s3.bucket(name(), {})
    with pytest.raises(ZeroDivisionError), folder_at(f"s3://{bucket.name}/rows").written("a.bin") as draft:
        draft.write_bytes(b"half")
        raise ZeroDivisionError
    assert bucket.names() == []


def test_a_file_of_somebody_else_is_not_replaced(s3: S3Server) -> None:
    bucket = s3.bucket(name(), {"rows/a.json": b"mine"})
    folder, mark = folder_at(f"s3://{bucket.name}/rows"), re.compile(rb"zsderm")
    told = pytest.raises(SettingsError, match="would be replaced, but it is not what zsderm writes")
    with told, folder.written("a.json", mark) as draft:
        draft.write_bytes(b"zsderm")
    assert bucket.get("rows/a.json") == b"mine"
    for content in (b"zsderm 1", b"zsderm 2"):
        with folder.written("b.json", mark) as draft:
            draft.write_bytes(content)
    assert bucket.get("rows/b.json") == b"zsderm 2"


def test_a_bucket_that_is_not_there_is_said(s3: S3Server) -> None:
    folder = folder_at(f"s3://{name()}/rows")
    with pytest.raises(SettingsError, match="no such bucket"), folder.written("a.txt") as draft:
        draft.write_bytes(b"1")
    for asked in (lambda: list(folder.names()), lambda: folder.has("a"), lambda: is_embeddings(str(folder))):
        with pytest.raises(PlaceError, match="no such bucket"):
            asked()


def test_a_data_set_goes_on_with_the_parts_that_are_missing(
    s3: S3Server, tmp_path: Path, tiny_encoder: TinyEncoder
) -> None:
    for number in range(11):
        (tmp_path / f"{number}.jpg").write_bytes(photograph(number))
    images = [tmp_path / f"{number}.jpg" for number in range(11)]
    bucket = s3.bucket(name(), {})
    place = f"s3://{bucket.name}/rows"
    embed_dataset(place, tiny_encoder, images, part_rows=4)
    there = bucket.names()
    whole = {key: bucket.get(key) for key in there}
    assert sorted(key for key in whole if "part" in key) == [f"rows/part-00000{part}.parquet" for part in range(3)]
    bucket.delete("rows/part-000001.parquet")
    tiny_encoder.images_encoded = 0
    embed_dataset(place, tiny_encoder, images, part_rows=4)
    assert tiny_encoder.images_encoded == 4
    assert {key: bucket.get(key) for key in whole if "part" in key} == {
        key: whole[key] for key in whole if "part" in key
    }
    rows = read_embeddings(place, tiny_encoder)
    assert not np.isnan(np.asarray(rows.features)).any() and len(rows.images) == 11
    with pytest.raises(InputError, match="cannot read the data set of embeddings 's3://"):
        read_embeddings(f"s3://{bucket.name}/elsewhere")


def test_an_upload_that_is_killed_leaves_nothing(s3: S3Server, tmp_path: Path) -> None:
    """The process ends while it sends 64 MB: the object is not there, or it was faster and is whole."""
    bucket = s3.bucket(name(), {})
    script = f"""
import os, signal, threading
from zsderm.places import folder_at
with folder_at("s3://{bucket.name}/rows").written("large.bin") as draft:
    draft.write_bytes(os.urandom(1 << 20) * 64)
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
"""
    done = subprocess.run([sys.executable, "-c", script], env=dict(os.environ), timeout=120, check=False)
    assert done.returncode in (-signal.SIGKILL, 0)
    assert bucket.names() == [] or len(bucket.get("rows/large.bin")) == 64 << 20
