"""Photographs in buckets, on a real S3 server: found, opened, embedded; and what goes wrong there."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TinyEncoder
from tests.places.s3_server import KEYS, S3Server
from zsderm.embeddings import embed_dataset, embed_images, read_embeddings
from zsderm.errors import ImageError, InputError
from zsderm.images import Pattern, find, open_file, open_image, walk
from zsderm.places import PlaceError

pytestmark = pytest.mark.slow  # they wait for a server


def photograph(number: int, kind: str = "JPEG") -> bytes:
    random = np.random.default_rng(number)
    content = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (12, 12, 3), np.uint8)).save(content, kind)
    return content.getvalue()


def name() -> str:
    return f"photographs-{uuid4().hex[:12]}"


def test_two_thousand_photographs_give_the_rows_of_the_same_folder(
    s3: S3Server, tmp_path: Path, tiny_encoder: TinyEncoder
) -> None:
    bucket = s3.bucket(name(), {})
    contents = {f"archive/{number % 13}/{number}.jpg": photograph(number) for number in range(2000)}
    contents["archive/3/broken.jpg"] = b"no photograph"
    contents["archive/notes.txt"] = b"not an image"
    contents["archive/.hidden/1.jpg"] = photograph(1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: bucket.put(*item), contents.items()))
    for key, content in contents.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(content)

    in_bucket, on_disk = Counter[str](), Counter[str]()
    listed = find(f"s3://{bucket.name}/archive/", passed_over=in_bucket)
    folder = find(tmp_path / "archive", passed_over=on_disk)
    start = f"s3://{bucket.name}/"
    assert [str(image).removeprefix(start) for image in listed] == [p.relative_to(tmp_path).as_posix() for p in folder]
    assert len(listed) == 2001 and in_bucket == on_disk == {".txt": 1}

    made = embed_dataset(f"s3://{bucket.name}/rows/", tiny_encoder, walk(f"s3://{bucket.name}/archive"), part_rows=512)
    assert made.facts.parts == 4 and made.missing() == []
    stored = read_embeddings(f"s3://{bucket.name}/rows", tiny_encoder)
    twin = embed_images(tiny_encoder, folder)
    assert list(stored.images) == [str(image) for image in listed]
    rows = np.asarray(stored.features)
    assert np.array_equal(~np.isnan(rows[:, 0]), twin.ok)
    assert np.abs(rows[twin.ok] - twin.features[twin.ok]).max() < 1e-6
    assert [error for error in stored.errors if error] == list(twin.errors.values())


def test_a_pattern_finds_what_the_same_pattern_finds_on_a_disk(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (
        "a/1.jpg",
        "a/10.jpg",
        "a/2.jpg",
        "a/b/3.JPG",
        "a/b/c/4.png",
        "5.jpg",
        "a.jpg/6.jpg",
        "a/.7.jpg",
        "a/n.txt",
    )
    bucket = s3.bucket(name(), {f"set/{key}": photograph(1) for key in names})
    for key in names:
        (tmp_path / "set" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / key).write_bytes(photograph(1))
    monkeypatch.chdir(tmp_path)
    for pattern in (
        "*.jpg",
        "a/*",
        "**/*.jpg",
        "a/**",
        "**",
        "a/?.jpg",
        "a/[!1]*.jpg",
        "*/b/*",
        "**/c/*.png",
        "*/**/[34].*",
    ):
        local = [str(path) for path in find(Pattern(f"set/{pattern}"))]
        there = [str(path) for path in find(Pattern(f"s3://{bucket.name}/set/{pattern}"))]
        assert [path.removeprefix(f"s3://{bucket.name}/") for path in there] == local, pattern
    with pytest.raises(ImageError, match=r"no image matches 's3://.*/set/\*\.tif'"):
        find(Pattern(f"s3://{bucket.name}/set/*.tif"))


def test_a_folder_of_very_many_folders_is_listed_at_once_in_the_same_order(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"p/{number}/{side}.jpg" for number in (1, 2, 10, "2a", "A") for side in (1, 10, 9)] + ["p/1a.jpg"]
    bucket = s3.bucket(name(), {key: photograph(1) for key in keys})
    one_by_one = find(f"s3://{bucket.name}/p")
    monkeypatch.setattr("zsderm.places.listing.MANY_FOLDERS", 2)
    assert find(f"s3://{bucket.name}/p") == one_by_one and len(one_by_one) == len(keys)
    assert str(one_by_one[0]).endswith("p/1/1.jpg") and str(one_by_one[4]).endswith("p/2/1.jpg")


def test_what_an_object_cannot_give_is_a_reason(s3: S3Server) -> None:
    bucket = s3.bucket(name(), {"a.jpg": photograph(1), "empty.jpg": b"", "b/c.jpg": photograph(2)})
    place = f"s3://{bucket.name}"
    assert open_image(f"{place}/a.jpg").size == (12, 12)
    for key, reason in {"none.jpg": "no such object", "empty.jpg": "the file is empty", "b": "no such object"}.items():
        with pytest.raises(ImageError, match=f"^{reason}$"):
            open_file(f"{place}/{key}")
    with pytest.raises(ImageError, match=r"more than the limit of .* for an image"):
        open_file(f"{place}/a.jpg", most=100)
    with open_file(f"{place}/a.jpg", most=None) as stream:
        assert stream.seek(-2, io.SEEK_END) == len(photograph(1)) - 2 and stream.read() == photograph(1)[-2:]


def test_a_photograph_too_large_for_memory_is_held_on_the_disk(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.bucket(name(), {"a.png": photograph(3, "PNG")})
    monkeypatch.setattr("zsderm.places.object_files.IN_MEMORY", 10)
    monkeypatch.setattr("zsderm.places.object_files._PIECE", 100)
    with open_file(f"s3://{bucket.name}/a.png") as stream:
        assert stream.read() == photograph(3, "PNG") and not isinstance(stream, io.BytesIO)


def test_an_object_that_was_deleted_after_it_was_listed_is_a_row_with_a_reason(
    s3: S3Server, tiny_encoder: TinyEncoder
) -> None:
    bucket = s3.bucket(name(), {f"{number}.jpg": photograph(number) for number in range(5)})
    images = find(f"s3://{bucket.name}")
    bucket.delete("2.jpg")
    found = embed_images(tiny_encoder, images)
    assert found.ok.tolist() == [True, True, False, True, True] and found.errors == {2: "no such object"}


@pytest.mark.parametrize("path", ["", "photos/", "photos/1.jpg", "*.jpg"])
def test_a_bucket_that_is_not_there_is_one_error(s3: S3Server, path: str) -> None:
    address = f"s3://{name()}/{path}"
    with pytest.raises(PlaceError, match=r"there is no such bucket.*AWS_ACCESS_KEY_ID.*docs/buckets.md"):
        for image in walk(Pattern(address) if "*" in path else address):
            open_file(image).close()


def test_a_folder_that_is_not_there_and_one_without_images_are_said(s3: S3Server) -> None:
    bucket = s3.bucket(name(), {"shards/0.tar": b"", "notes/a.txt": b""})
    with pytest.raises(ImageError, match=r"there is no folder 's3://.*/phots'"):
        find(f"s3://{bucket.name}/phots")
    with pytest.raises(ImageError, match=r"holds no images\. Passed over: 1 \.txt"):
        find(f"s3://{bucket.name}/notes")
    with pytest.raises(ImageError, match=r"with a pattern: 's3://.*/shards/\*\.tar'"):
        find(f"s3://{bucket.name}/shards/")


def test_keys_are_asked_for_and_wrong_ones_end_the_run(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = s3.bucket(name(), {"photos/1.jpg": photograph(1)})
    keys = s3.user(f"user-{uuid4().hex[:8]}")
    with s3.asking_for_keys():
        for variable, value in keys.items():
            monkeypatch.setenv(variable, value)
        assert open_image(*find(f"s3://{closed.name}/photos")).size == (12, 12)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONGWRONG")
        with pytest.raises(PlaceError, match="the keys are not accepted"):
            find(f"s3://{closed.name}/photos")
        with pytest.raises(PlaceError, match="the keys are not accepted"):
            open_file(f"s3://{closed.name}/photos/1.jpg")


def test_a_public_bucket_is_read_without_keys_and_another_is_not(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = s3.bucket(name(), {"photos/1.jpg": photograph(1)})
    public = s3.bucket(name(), {"photos/1.jpg": photograph(1)}, public=True)
    for variable in KEYS:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "1")
    assert open_image(*find(f"s3://{public.name}/photos")).size == (12, 12)
    with pytest.raises(ImageError, match=r"^access denied$"):  # it may be this one object only
        open_file(f"s3://{closed.name}/photos/1.jpg")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes what is asked, and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_never_answers_is_given_up(s3: S3Server, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent)
    monkeypatch.setenv("ZSDERM_STORE_TIMEOUT", "1")
    started = time.monotonic()
    with pytest.raises(PlaceError, match=r"did not answer.*it took too long"):
        find(f"s3://{name()}/photos/")
    assert time.monotonic() - started < 30


def test_a_server_that_goes_away_ends_the_run_and_writes_no_rows_of_reasons(
    s3: S3Server, tiny_encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket = s3.bucket(name(), {f"{number}.jpg": photograph(number) for number in range(4)})
    images = find(f"s3://{bucket.name}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(PlaceError, match=r"did not answer \(network connection\).*run the command again"):
        embed_dataset(tmp_path / "rows", tiny_encoder, images, part_rows=2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
    made = embed_dataset(tmp_path / "rows", tiny_encoder, images)
    assert made.finished is not None and made.finished["failed"] == 0


def test_one_object_that_is_not_given_in_time_is_a_row_with_a_reason(
    s3: S3Server, tiny_encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket(name(), {f"{number}.jpg": photograph(number) for number in range(3)})
    with _slow_for(s3.address, "/1.jpg") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("ZSDERM_STORE_TIMEOUT", "1")
        found = embed_images(tiny_encoder, [f"s3://{bucket.name}/{number}.jpg" for number in range(3)])
    assert found.ok.tolist() == [True, False, True] and "did not answer (it took too long)" in found.errors[1]


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIA123:verysecret@bucket/photos/",
        "https://bucket.s3.amazonaws.com/1.jpg?X-Amz-Signature=verysecret",
        "s3://bucket/1.jpg?X-Amz-Credential=verysecret&X-Amz-Date=1",
        "gs://bucket/1.jpg?access_token=verysecret",
    ],
)
def test_secrets_in_addresses_are_refused_and_not_repeated(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for refused in (lambda: find(address), lambda: open_file(address), lambda: read_embeddings(address)):
        with pytest.raises(InputError) as told:
            refused()
        assert "verysecret" not in str(told.value) and "docs/buckets.md" in str(told.value)
    assert "verysecret" not in caplog.text


def test_other_addresses_are_refused_in_a_sentence() -> None:
    with pytest.raises(
        InputError, match=r"begins with s3://, gs://, hf:// or file://, but got 'http://example\.org/1\.jpg'"
    ):
        find("http://example.org/1.jpg")
    with pytest.raises(InputError, match="the name of a bucket"):
        find("s3:///photos")


def test_an_address_of_a_file_is_its_path(tmp_path: Path) -> None:
    (tmp_path / "my photos").mkdir()
    (tmp_path / "my photos" / "1.jpg").write_bytes(photograph(1))
    address = f"file://{tmp_path}/my%20photos"
    assert find(address) == [tmp_path / "my photos" / "1.jpg"]
    assert open_image(f"{address}/1.jpg").size == (12, 12)
    with pytest.raises(InputError, match="on this machine"):
        find("file://elsewhere/photos")


class _slow_for:
    """A server between, which never passes on what is asked of one path."""

    def __init__(self, address: str, path: str) -> None:
        self._to = ("127.0.0.1", int(address.rpartition(":")[2]))
        self._path = path.encode()
        self._listening = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._to) as server:
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            while asked := _received(client):
                if self._path in asked.split(b"\r\n", 1)[0]:
                    time.sleep(5)
                    return
                server.sendall(asked)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        while answered := _received(server):
            try:
                client.sendall(answered)
            except OSError:
                return


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(2**16)
    except OSError:
        return b""
