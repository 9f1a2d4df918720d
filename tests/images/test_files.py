from __future__ import annotations

import os
import socket
import time
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from zsderm.errors import ImageError
from zsderm.images import MAX_BYTES, file_hash, open_file, open_image, read_header
from zsderm.images.files import PatientStream

posix = pytest.mark.skipif(os.name == "nt", reason="pipes, devices and links of POSIX")


def sparse(path: Path, size: int, start: bytes = b"") -> Path:
    """A file of many bytes that takes no room: what is not written is zero."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


def odd_files(folder: Path) -> dict[str, str]:
    """Files that are no images but are called so, and the reason that each is given."""
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "below.jpg").symlink_to("/etc/passwd/x.jpg")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.jpg")
    sparse(folder / "sparse.jpg", 200 * 10**9)
    (folder / "empty.jpg").touch()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.jpg"))
    reasons = {
        "below.jpg": "no such file",
        "empty.jpg": "the file is empty",
        "gone.jpg": "no such file",
        "loop.jpg": "the file cannot be opened: too many levels of symbolic links",
        "pipe.jpg": "not a regular file",
        "socket.jpg": "not a regular file",
        "sparse.jpg": "200.0 GB, more than the limit of 1.1 GB for an image",
        "zero.jpg": "not a regular file",
    }
    if Path("/proc/self/status").is_file():
        (folder / "made-up.jpg").symlink_to("/proc/self/status")
        reasons["made-up.jpg"] = "the file is empty"
    return dict(sorted(reasons.items()))


@posix
def test_nothing_but_a_regular_file_of_a_sensible_size_is_opened(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket may not be long
    started = time.monotonic()
    for name, reason in odd_files(tmp_path).items():
        with pytest.raises(ImageError) as caught:
            open_file(tmp_path / name)
        assert str(caught.value) == reason, name
    with pytest.raises(ImageError, match="cannot be opened: embedded null byte"):
        open_file("a\0.jpg")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "start", [b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\x30WEBPVP8L", b"\x89PNG\r\n\x1a\n", b"BM"]
)
@pytest.mark.slow
def test_a_large_file_of_zeros_is_given_up_soon(tmp_path: Path, start: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(ImageError):
        open_image(sparse(tmp_path / "zeros.jpg", MAX_BYTES, start))
    assert time.monotonic() - started < 20  # one to two seconds alone


def test_the_search_for_a_marker_ends() -> None:
    stream = PatientStream(BytesIO(bytes(100)))
    stream._MOST = 3
    assert [stream.read(1) for _ in range(3)] == [b"\0"] * 3
    with pytest.raises(OSError, match="not found"):
        stream.read(1)
    assert stream.seekable() and stream.tell() == 3


def test_a_progressive_jpeg_of_very_many_scans_is_refused() -> None:
    buffer = BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    assert open_image(content).size == (64, 64)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="more than 100 scans"):
        open_image(content[:last] + content[last:-2] * 100 + b"\xff\xd9")


def test_a_hash_leaves_the_stream_where_it_was(photo: Image.Image) -> None:
    buffer = BytesIO()
    photo.save(buffer, "PNG")
    header = read_header(buffer)
    place = buffer.tell()
    assert len(file_hash(buffer)) == 64 and buffer.tell() == place
    with header.decoded() as opened:
        assert opened.tobytes() == photo.tobytes()
