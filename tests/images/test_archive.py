from __future__ import annotations

import stat
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from tests.images.dicom_files import encoded, photograph, picture
from zsderm.errors import ImageError
from zsderm.images import ArchiveLimits, PhotographArchive, open_image

TWIN = picture()
PNG = encoded(TWIN, "PNG")


def packed(members: dict[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def reasons(content: bytes, limits: ArchiveLimits | None = None) -> dict[str, str]:
    """For each photograph why it cannot be read; empty where its bytes come out."""
    found = {}
    with PhotographArchive(content, limits) as archive:
        for file in archive.files():
            try:
                file.read()
            except ImageError as error:
                found[file.name] = str(error)
            else:
                found[file.name] = ""
    return found


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_photographs_come_out_as_they_went_in(method: int, tmp_path: Path) -> None:
    members = {"a/1.png": PNG, "a/2.dcm": photograph(TWIN), "b/": b"", "Ärm.PNG": PNG}
    path = tmp_path / "photos.zip"
    path.write_bytes(packed(dict(members), method))
    with PhotographArchive(path) as archive:
        found = {file.name: file for file in archive.files()}
        assert list(found) == ["a/1.png", "a/2.dcm", "Ärm.PNG"]
        for name, file in found.items():
            assert (file.reason, file.size, file.read()) == ("", len(members[name]), members[name])
            np.testing.assert_array_equal(np.asarray(open_image(file.read())), np.asarray(TWIN))
        target = BytesIO()
        assert found["a/1.png"].copy_to(target) == len(PNG)
        assert target.getvalue() == PNG
    assert archive.passed_over == {}


def test_a_stream_is_read_and_stays_open() -> None:
    stream = BytesIO(packed({"1.png": PNG}))
    with PhotographArchive(stream) as archive:
        assert [file.name for file in archive.files()] == ["1.png"]
    assert not stream.closed


def test_hidden_files_and_those_of_the_mac_are_skipped_and_others_counted() -> None:
    names = [
        "1.png",
        "__MACOSX/._1.png",
        ".hidden.png",
        ".cache/2.png",
        "a/.DS_Store",
        "notes.txt",
        "b/c.txt",
        "README",
    ]
    with PhotographArchive(packed(dict.fromkeys(names, PNG))) as archive:
        assert [file.name for file in archive.files()] == ["1.png"]
        assert archive.passed_over == {".txt": 2, "no suffix": 1}


def test_a_member_that_is_no_plain_photograph_of_this_folder_is_a_reason_beside_the_others() -> None:
    link, pipe = member("link.png", stat.S_IFLNK | 0o777), member("pipe.png", stat.S_IFIFO | 0o644)
    members: dict[str | zipfile.ZipInfo, bytes] = {
        "../up.png": PNG, "a/../../up.png": PNG, "/etc/root.png": PNG, "C:/windows.png": PNG, "..\\back.png": PNG,
        link: b"/etc/passwd", pipe: PNG, "inner.zip": packed({"1.png": PNG}), "disguised.png": packed({"1.png": PNG}),
        "white.bmp": b"BM" + bytes(2**22), "Good.png": PNG, "good.PNG": PNG,
    }  # fmt: skip
    found = reasons(packed(members))
    outside = "its name leads out of the archive"
    assert found == {
        "../up.png": outside,
        "a/../../up.png": outside,
        "/etc/root.png": outside,
        "C:/windows.png": outside,
        "../back.png": outside,
        "link.png": "a link in the archive, which is not followed",
        "pipe.png": "not a regular file",
        "inner.zip": "an archive inside the archive, which is not read; unpack it first",
        "disguised.png": "an archive inside the archive, which is not read; unpack it first",
        "white.bmp": "compressed more than 100 to 1, which photographs are not",
        "Good.png": "",
        "good.PNG": "the archive has several files of this name; only the first is read",
    }


def test_a_small_picture_may_be_packed_to_next_to_nothing() -> None:
    assert reasons(packed({"white.bmp": bytes(2**20)})) == {"white.bmp": ""}


def test_an_encrypted_member_is_a_reason() -> None:
    content = bytearray(packed({"1.png": PNG}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    assert reasons(bytes(content)) == {"1.png": "encrypted; pack the archive without a password"}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack_are_a_reason(method: int) -> None:
    assert "use Deflate or no compression" in reasons(packed({"1.png": PNG}, method))["1.png"]


def test_damage_is_a_reason_of_the_member() -> None:
    content = bytearray(packed({"1.png": PNG, "2.png": PNG}, zipfile.ZIP_STORED))
    content[content.index(b"IDAT") + 20] ^= 255
    found = reasons(bytes(content))
    assert found["1.png"].startswith("damaged in the archive: bad CRC-32")
    assert found["2.png"] == ""


def test_a_size_that_the_list_understates_does_not_let_more_out() -> None:
    content = bytearray(packed({"1.png": PNG + bytes(10_000)}))
    place = content.index(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", len(PNG))
    with PhotographArchive(bytes(content)) as archive:
        (file,) = archive.files()
        with pytest.raises(ImageError, match="damaged in the archive"):
            file.read()


REFUSED = {
    "files": (ArchiveLimits(files=2), r"of 3 files, more than the limit of 2"),
    "bytes": (ArchiveLimits(bytes=2 * len(PNG)), r"unpacked, more than the limit of 0\.0 MB"),
    "directory": (ArchiveLimits(directory=100), "whose list of files takes"),
}


@pytest.mark.parametrize("limit", REFUSED)
def test_an_archive_beyond_a_limit_is_refused_before_anything_is_read(limit: str) -> None:
    limits, reason = REFUSED[limit]
    with pytest.raises(ImageError, match=reason):
        PhotographArchive(packed({f"{n}.png": PNG for n in range(3)}), limits)


def test_one_file_beyond_the_limit_is_a_reason() -> None:
    found = reasons(packed({"1.png": PNG, "2.png": PNG + bytes(9)}), ArchiveLimits(bytes_of_one=len(PNG)))
    assert found["1.png"] == ""
    assert "more than the limit of" in found["2.png"]


def test_members_that_lie_in_each_other_are_not_multiplied() -> None:
    whole = packed({f"{n}.png": bytes(10_000) for n in range(3)})
    place = whole.index(b"PK\x01\x02")
    entries = [place, whole.index(b"PK\x01\x02", place + 1)]
    entries.append(whole.index(b"PK\x01\x02", entries[1] + 1))
    content = bytearray(whole)
    for entry in entries:  # all of them at the place of the first
        content[entry + 42 : entry + 46] = struct.pack("<I", 0)
    found = reasons(bytes(content))
    assert sum(reason == "" for reason in found.values()) <= 1


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", PNG, packed({"1.png": PNG})[:-30]], ids=["nothing", "head", "png", "cut"]
)
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(ImageError, match="not a ZIP archive, or a damaged one"):
        PhotographArchive(content)


def test_an_archive_without_photographs_has_none() -> None:
    assert reasons(packed({})) == {}
