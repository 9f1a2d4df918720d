from __future__ import annotations

import os
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from tests.images.dicom_files import CT, NAME, PATIENT, REPORT, dicom, encoded, photograph, picture, several
from zsderm.errors import ImageError
from zsderm.images import file_hash, find, open_file, open_image, picture_count
from zsderm.images.dicom import MAX_FRAMES, TAGS, read_header

TWIN = picture()
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def replaced(content: bytes, keyword: str, value: bytes, vr: bytes = b"US") -> bytes:
    """A file in explicit little endian in which the value of an element, of the same length, is another."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    place = content.index(head) + 8
    return content[:place] + value + content[place + len(value) :]


def deep(levels: int) -> bytes:
    """A file whose sequences lie in each other."""
    inner = b""
    for _ in range(levels):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
        inner = b"\x48\x00\x05\x01SQ\0\0" + struct.pack("<I", len(item)) + item
    content = photograph(TWIN)
    place = content.index(b"\xe0\x7f\x10\x00OB")
    return content[:place] + inner + content[place:]


NO_PHOTOGRAPHS = {
    "no pixels": (dicom(None), "without pixels"),
    "report": (dicom(None, kind=REPORT), r"without pixels \(Basic Text SR Storage\)"),
    "ct": (photograph(TWIN, kind=CT), r"holds no photographs \(CT Image Storage\)"),
    "whole slide": (photograph(TWIN, kind=WHOLE_SLIDE), "holds no photographs"),
    "video": (dicom([b"\0\0\1\xba" * 8], syntax="1.2.840.10008.1.2.4.102"), r"a video in a DICOM file \(MPEG-4 AVC"),
    "old video": (dicom([b"\0\0\1\xba" * 8], syntax="1.2.840.10008.1.2.4.100"), "a video in a DICOM file"),
    "deflated": (photograph(TWIN, syntax="1.2.840.10008.1.2.1.99"), "deflated"),
    "no size": (dicom(b"\0" * 12, (0, 0)), "too narrow"),
    "too many frames": (
        dicom([encoded(TWIN, "JPEG")], syntax=JPEGBaseline8Bit, NumberOfFrames=10**9),
        "claims to hold",
    ),
    "more frames than pixels": (photograph(TWIN, NumberOfFrames=9), "claims to hold 9 pictures"),
    "minus one frame": (photograph(TWIN, NumberOfFrames=-1), "claims to hold -1 pictures"),
    "head alone": (photograph(TWIN)[:132], "without pixels|damaged DICOM file"),
    "half a header": (photograph(TWIN)[:400], "without pixels|damaged DICOM file"),
    "huge": (
        replaced(replaced(photograph(TWIN), "Rows", b"\xff\xff"), "Columns", b"\xff\xff"),
        "65535 x 65535 pixels .* more than the limit",
    ),
}


@pytest.mark.parametrize("case", NO_PHOTOGRAPHS)
def test_what_is_no_photograph_is_a_reason_that_names_no_patient(case: str) -> None:
    content, reason = NO_PHOTOGRAPHS[case]
    with pytest.raises(ImageError, match=reason) as raised:
        open_image(content)
    assert not any(word in str(raised.value) for word in (PATIENT, NAME, "Doe", "\n"))
    assert picture_count(BytesIO(content)) == 1


def test_sequences_within_sequences_without_end_are_passed_over() -> None:
    # Their elements are none of those that are read, so that nothing goes into them.
    np.testing.assert_array_equal(np.asarray(open_image(deep(3000))), np.asarray(TWIN))


def test_nothing_is_kept_of_a_header_but_facts_on_pixels() -> None:
    content = photograph(TWIN, PatientBirthDate="19500101", BodyPartExamined="ARM", ImageComments=NAME)
    header = read_header(BytesIO(content), len(content))
    assert {element.keyword for element in header.facts} <= set(TAGS) | {"SpecificCharacterSet"}
    assert not any(tag.startswith(("Patient", "Study", "Referring", "Institution")) for tag in TAGS)


def test_what_pydicom_says_of_a_file_reaches_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    content = photograph(TWIN, PatientComments=NAME)
    for end in range(132, len(content), 97):
        try:
            open_image(content[:end])
        except ImageError as error:
            assert "Doe" not in str(error)
    assert capfd.readouterr() == ("", "")


def test_lengths_in_a_damaged_header_are_not_believed() -> None:
    content = photograph(TWIN, ICCProfile=b"\0" * 20)
    place = content.index(b"\x28\x00\x00\x20OB")
    huge = content[: place + 8] + b"\xf0\xff\xff\xff" + content[place + 12 :]
    with pytest.raises(ImageError):
        open_image(huge)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.integers(132, 1100), st.binary(min_size=1, max_size=6))
def test_no_damage_gives_anything_but_a_picture_or_a_reason(place: int, damage: bytes) -> None:
    content = bytearray(several([picture(0), picture(1)]))
    content[place : place + len(damage)] = damage
    try:
        assert open_image(bytes(content), frame=2).mode == "RGB"
    except ImageError as error:
        assert "\n" not in str(error)


def test_a_file_of_several_pictures_is_several_paths(tmp_path: Path) -> None:
    images = [picture(seed) for seed in range(3)]
    (tmp_path / "b.dcm").write_bytes(several(images))
    (tmp_path / "a.dcm").write_bytes(photograph(TWIN))
    (tmp_path / "IM0001").write_bytes(several(images))  # in folders, files without a suffix are passed over
    (tmp_path / "broken.dcm").write_bytes(b"no DICOM at all")
    found = find(tmp_path)
    assert [path.name for path in found] == ["a.dcm", "b.dcm#1", "b.dcm#2", "b.dcm#3", "broken.dcm"]
    assert [path.name for path in find(tmp_path / "IM0001")] == ["IM0001#1", "IM0001#2", "IM0001#3"]
    for path, image in zip(found[1:4], images, strict=True):
        np.testing.assert_array_equal(np.asarray(open_image(path)), np.asarray(image))
    assert find(found[2]) == [found[2]]  # one picture of it is asked for


def test_a_file_that_is_called_like_a_picture_of_a_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(several([picture(0), picture(1)]))
    (tmp_path / "a.dcm#2").write_bytes(photograph(TWIN))
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.dcm#2")), np.asarray(TWIN))
    TWIN.save(tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"^no such file$"):
        open_image(tmp_path / "b.png#1")
    with pytest.raises(ImageError, match="holds 2 pictures"):
        open_image(tmp_path / "a.dcm#3")


def test_each_picture_of_a_file_has_a_digest_of_its_own_that_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(several([picture(0), picture(0)]))
    digests = [_digest(path), *(_digest(f"{path}#{frame}") for frame in (1, 2))]
    assert len(set(digests)) == 3
    assert _digest(f"{path}#2") == digests[2]
    path.write_bytes(several([picture(0), picture(7)]))
    os.utime(path, (1, 1))
    assert _digest(f"{path}#2") not in digests


def test_the_limit_of_pictures_is_one_that_examinations_stay_below() -> None:
    assert MAX_FRAMES >= 1000


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_elements_after_and_within_others_do_not_hide_the_pixels(syntax: str) -> None:
    inner = Dataset()
    inner.PatientID = PATIENT
    content = photograph(TWIN, syntax=syntax, RequestAttributesSequence=[inner], DataSetTrailingPadding=b"\0\0")
    np.testing.assert_array_equal(np.asarray(open_image(content)), np.asarray(TWIN))


def test_an_opened_picture_of_several_goes_the_same_way_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(several([picture(0), picture(1)]))
    with open_file(f"{path}#2") as stream:
        image: Image.Image = open_image(stream)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(picture(1)))


def _digest(path: Path | str) -> str:
    with open_file(path) as stream:
        return file_hash(stream)
