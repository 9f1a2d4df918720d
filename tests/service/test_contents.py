"""ZIP archives, DICOM files of several pictures, HEIC and AVIF: a row for each photograph, and nothing escapes."""

from __future__ import annotations

import stat
from io import BytesIO
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from tests.images.dicom_files import NAME, PATIENT, encoded, photograph, picture, several
from tests.images.test_archive import member, packed
from tests.service.conftest import CLASSES, Start, ended, form, photo_bytes
from zsderm.service.contents import Contents
from zsderm.service.pictures import Pictures
from zsderm.service.uploads import Form, Upload

ONE, TWO = photo_bytes(1), photo_bytes(2, "PNG")
FRAMES = several([picture(seed) for seed in (3, 4, 5)])


def _answers(client: TestClient, *files: bytes, names: list[str] | None = None) -> list[dict]:
    done = client.post("/v1/classify", files=form(*files, names=names), data={"classes": CLASSES})
    assert done.status_code == 200, done.text
    assert list((client.app.state.settings.data_dir / "uploads").iterdir()) == []
    return done.json()["answers"]


def _alike(one: dict, other: dict) -> bool:
    """Whether two answers are of the same picture: in another batch, processors round the last digits otherwise."""
    classes, probabilities = (
        [[choice[key] for choice in answer["top"]] for answer in (one, other)] for key in ("class", "probability")
    )
    return classes[0] == classes[1] and np.allclose(*probabilities, rtol=0, atol=1e-5)


def _pixels(client: TestClient, job: str, number: int) -> np.ndarray:
    done = client.get(f"/v1/jobs/{job}/photographs/{number}/picture")
    assert done.headers["content-type"] == "image/jpeg"
    assert not any(word in done.content for word in (b"Exif", b"GPS", b"http://ns.adobe", PATIENT.encode(), b"ICC"))
    return np.asarray(Image.open(BytesIO(done.content)), float)


def test_photographs_of_an_archive_are_answered_as_if_they_had_been_sent(client: TestClient) -> None:
    link = member("link.jpg", stat.S_IFLNK | 0o777)
    content = packed({"b/1.jpg": ONE, "2.png": TWO, "notes.txt": b"x", link: b"/etc/passwd", "../up.png": TWO,
                      "inner.zip": packed({"1.jpg": ONE}), "skin.dcm": FRAMES, "paper.jpg": b"%PDF-1.7",
                      "white.bmp": b"BM" + bytes(2**22), "both.jpg": ONE + packed({"1.jpg": ONE})})  # fmt: skip
    done = client.post(
        "/v1/classify", files=form(TWO, content, names=["alone.png", "all.zip"]), data={"classes": CLASSES}
    )
    found = {answer["image"]: answer for answer in done.json()["answers"]}
    errors = {name: answer["error"] for name, answer in found.items() if not answer["ok"]}
    assert errors == {
        "link.jpg": "a link in the archive, which is not followed",
        "../up.png": "its name leads out of the archive",
        "inner.zip": "an archive inside the archive, which is not read; unpack it first",
        "paper.jpg": "a PDF document, not a photograph",
        "white.bmp": "compressed more than 100 to 1, which photographs are not",
        "both.jpg": "the file is also a ZIP archive, so it is not read as a photograph",
    }
    assert set(found) - set(errors) == {"alone.png", "b/1.jpg", "2.png", "skin.dcm#1", "skin.dcm#2", "skin.dcm#3"}
    assert _alike(found["2.png"], found["alone.png"])
    assert "Skipped in archives, because they are not image files: 1 .txt." in done.json()["notes"]
    assert list((client.app.state.settings.data_dir / "uploads").iterdir()) == []


def test_a_job_keeps_what_lies_in_archives_and_not_the_archives(client: TestClient, folder_of: Path) -> None:
    content = packed({"1.jpg": ONE, "skin.dcm": FRAMES, "notes.txt": b"x"})
    done = client.post("/v1/jobs", files=form(content, FRAMES, names=["a.ZIP", "skin.dcm"]), data={"classes": CLASSES})
    assert done.status_code == 201, done.text
    job = ended(client, done.json()["id"])
    assert job["state"] == "done" and job["progress"] == {"total": 7, "done": 7, "failed": 0, "seconds_left": None}
    assert job["notes"][0] == "Skipped in archives, because they are not image files: 1 .txt."
    rows = client.get(f"/v1/jobs/{job['id']}/photographs").json()["photographs"]
    frames = ["skin.dcm#1", "skin.dcm#2", "skin.dcm#3"]
    assert [row["image"] for row in rows][:4] == ["1.jpg", *frames] and len({row["image"] for row in rows}) == 7
    assert _alike(rows[1]["answer"], rows[4]["answer"]) and not _alike(rows[1]["answer"], rows[2]["answer"])
    for number, seed in ((1, 3), (2, 4), (3, 5)):
        assert np.abs(_pixels(client, job["id"], number) - np.asarray(picture(seed), float)).mean() < 12
    large = client.get(f"/v1/jobs/{job['id']}/photographs/2/picture?large=true").content
    assert Image.open(BytesIO(large)).size == (48, 32)
    kept = list((folder_of / "jobs" / job["id"] / "originals").iterdir())
    assert len(kept) == 3 and not any(file.read_bytes().startswith(b"PK") for file in kept)
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert not (folder_of / "jobs" / job["id"]).exists()


def _heic(**options: object) -> bytes:
    import pillow_heif

    buffer = BytesIO()
    pillow_heif.from_pillow(picture()).save(buffer, quality=90, **options)
    return buffer.getvalue()


def test_heic_avif_and_dicom_go_through_the_decoders_and_leave_without_metadata(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe"
    files = [
        _heic(exif=exif.tobytes()),
        encoded(picture(), "AVIF", exif=exif.tobytes()).rstrip(b"\0"),
        photograph(picture(), StudyDescription="Jane Doe"),
    ]
    done = client.post(
        "/v1/jobs", files=form(*files, names=["a.heic", "b.avif", "c.dcm"]), data={"classes": CLASSES}
    ).json()
    assert ended(client, done["id"])["progress"]["failed"] == 0
    for number in range(3):
        shown = client.get(f"/v1/jobs/{done['id']}/photographs/{number}/picture").content
        assert b"Jane" not in shown and NAME.encode() not in shown
        assert np.abs(_pixels(client, done["id"], number) - np.asarray(picture(), float)).mean() < 12
    html = client.get(f"/v1/jobs/{done['id']}/result.html").text
    assert "Jane Doe" not in html and PATIENT not in html
    client.delete(f"/v1/jobs/{done['id']}")


def test_what_cannot_be_read_in_them_is_an_error_of_the_file(client: TestClient, start: Start) -> None:
    cut, mangled = packed({"1.jpg": ONE})[:-30], bytearray(FRAMES)
    mangled[200:400] = bytes(200)
    movie = b"\0\0\0\x18ftypisom" + bytes(200)
    found = _answers(
        client, cut, b"PK\x05\x06" + bytes(18), packed({"a.txt": b"x"}), FRAMES[:900], bytes(mangled), movie
    )
    errors = [answer["error"] for answer in found]
    assert errors[0].startswith("not a ZIP archive, or a damaged one")
    assert errors[1] == errors[2] == "a ZIP archive without photographs"
    assert "DICOM" in errors[3] and "DICOM" in errors[4] and errors[5].startswith("not an image")
    small = start(max_pixels=1000)
    large = [FRAMES, _heic(), encoded(picture(), "AVIF")]
    for answer in _answers(small, *large):
        assert "more than the limit of 0.0 megapixels" in answer["error"], answer


def test_limits_hold_for_archives_too(client: TestClient, start: Start) -> None:
    many = packed({f"{number}.jpg": ONE for number in range(40)})
    for files in ([many, many], [several([picture(size=(8, 8))] * 65)]):
        done = client.post("/v1/classify", files=form(*files), data={"classes": CLASSES})
        assert (
            done.status_code == 413 and "at most 64 photographs, including those in archives" in done.json()["detail"]
        )
        assert list((client.app.state.settings.data_dir / "uploads").iterdir()) == []
    low = start(max_unpacked_bytes=9000, max_file_bytes=4000, max_job_files=30)
    several_files = packed({str(number): b"" for number in range(31)})
    one_is_large = packed({"big.bmp": photo_bytes(0, "BMP"), "1.jpg": ONE})
    found = _answers(low, several_files, one_is_large, packed({"x.bmp": bytes(9001)}), names=["a", "b", "c"])
    assert [answer["image"] for answer in found] == ["a", "big.bmp", "1.jpg", "c"]
    assert found[0]["error"] == "a ZIP archive of 31 files, more than the limit of 30" and found[2]["ok"]
    assert all("more than the limit of 0.0 MB" in found[place]["error"] for place in (1, 3))
    job = low.post("/v1/jobs", data={"classes": CLASSES, "start": "false"}, files=form(ONE)).json()["id"]
    done = low.post(f"/v1/jobs/{job}/photographs", files=form(packed({f"{n}.jpg": b"\xff\xd8\xff" for n in range(30)})))
    assert done.status_code == 413, done.text
    folder = low.app.state.settings.data_dir / "jobs" / job / "originals"
    assert len(list(folder.iterdir())) == 1


def test_pictures_are_counted_by_a_process_that_may_die(tmp_path: Path) -> None:
    counts = []
    for memory, seconds in ((4 * 2**30, 60.0), (4 * 2**30, 1e-4), (2**20, 60.0)):
        file = tmp_path / "upload"
        file.write_bytes(FRAMES)
        asked = Form(files=[Upload("skin.dcm", file)])
        pictures = Pictures(1, memory, seconds)
        Contents(pictures, 10**9, 10**9, 10).spread(asked, 10)
        pictures.close()
        counts.append([upload.name for upload in asked.files])
        assert file.exists() == (len(counts) == 1) and bool(asked.files[0].error) == (len(counts) > 1)
    assert counts == [["skin.dcm#1", "skin.dcm#2", "skin.dcm#3"], ["skin.dcm"], ["skin.dcm"]]
