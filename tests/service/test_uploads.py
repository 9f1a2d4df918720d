"""Forms as they come: too large, too many, damaged, or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import CLASSES, Start, form, photo_bytes
from zsderm.service.uploads import MAX_FIELD_BYTES, shown_name, why_no_picture

BOUNDARY = "b0undary"
TYPE = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def _part(head: str, content: bytes = b"") -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = 'name="files"; filename="a.jpg"'


def test_a_request_that_is_too_large_is_ended_while_it_streams(start: Start) -> None:
    client = start(max_request_bytes=100_000)
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        yield _part(FILE)
        for _ in range(1000):
            sent += 10_000
            yield bytes(10_000)
        yield END

    done = client.post("/v1/classify", content=stream(), headers=TYPE)  # no length is said
    assert done.status_code == 413 and "expected at most 97 KiB in one request" in done.json()["detail"]
    said = client.post("/v1/classify", content=b"x", headers=TYPE | {"content-length": "100001"})
    assert said.status_code == 413
    assert list((client.app.state.settings.data_dir / "uploads").iterdir()) == []


def test_the_log_says_nothing_of_a_damaged_form(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    done = client.post("/v1/classify", content=f"--{BOUNDARY[:-1]}X\r\n".encode(), headers=TYPE)
    assert done.status_code == 400 and done.json()["detail"].startswith("the form is damaged: Expected boundary")
    assert not [record for record in caplog.records if "multipart" in record.name]


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"", 400, "incomplete"),
        (_part(FILE, photo_bytes(0)), 400, "incomplete"),
        (b"--other\r\n\r\nx\r\n--other--\r\n", 400, "damaged"),
        (END, 422, "at least one photograph"),
        (_part('name="classes"', b"a, b") + END, 422, "expected at least one photograph as `files`"),
        (_part('name="file"; filename="a.jpg"', photo_bytes(0)) + END, 422, "but got a file as 'file'"),
        (_part('name="classes"', b"x" * (MAX_FIELD_BYTES + 1)) + END, 413, "of text in a form"),
        (b"".join(_part(f'name="f{n}"', b"x") for n in range(40)) + END, 413, "at most 32 fields"),
        (b"".join(_part(FILE, photo_bytes(0)) for _ in range(65)) + END, 413, "at most 64 files"),
        (f"--{BOUNDARY}\r\nX: ".encode() + b"y" * 100_000 + b"\r\n\r\n" + END, 400, "damaged"),
    ],
    ids=["empty", "cut", "boundary", "end", "no file", "other name", "text", "fields", "files", "headers"],
)
def test_a_form_that_cannot_be_used(client: TestClient, content: bytes, status: int, detail: str) -> None:
    done = client.post("/v1/classify", content=content, headers=TYPE)
    assert done.status_code == status, done.text
    assert any(part in done.json()["detail"] for part in detail.split("|")), done.text
    assert list((client.app.state.settings.data_dir / "uploads").iterdir()) == []


def test_a_boundary_that_is_too_long_is_no_defect(client: TestClient) -> None:
    headers = {"content-type": f"multipart/form-data; boundary={'a' * 8000}"}
    done = client.post("/v1/classify", content=b"x", headers=headers)
    assert done.status_code == 400 and "Boundary length 8000" in done.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", "image/jpeg", ""])
def test_what_is_no_form_is_of_the_wrong_type(client: TestClient, kind: str) -> None:
    done = client.post("/v1/classify", content=b"{}", headers={"content-type": kind})
    assert done.status_code == 415 and done.json()["title"] == "Wrong type"


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/cron.d/x",
        "..\\..\\x.jpg",
        "a\x00b.jpg",
        "a\nb.jpg",
        "\u202egpj.exe",
        "x" * 3000 + ".jpg",
        "=1+1.jpg",
        "",
    ],
    ids=["up", "root", "windows", "null", "line", "turned", "long", "formula", "none"],
)
def test_no_name_touches_the_disk(client: TestClient, name: str, folder_of: Path) -> None:
    before = {path for path in folder_of.rglob("*") if "sqlite" not in path.name}
    head = b'form-data; name="files"; filename="' + name.encode() + b'"'
    if "\n" in name:
        head = b"form-data; name=\"files\"; filename*=UTF-8''a%0Ab.jpg"
    content = f"--{BOUNDARY}\r\n".encode() + b"Content-Disposition: " + head + b"\r\n\r\n" + photo_bytes(0) + b"\r\n"
    content += _part('name="classes"', CLASSES.encode()) + END
    done = client.post("/v1/classify", content=content, headers=TYPE)
    if done.status_code == 200:
        answer = done.json()["answers"][0]
        assert answer["ok"] and "\n" not in answer["image"] and "\u202e" not in answer["image"]
    else:
        assert done.status_code in (400, 422)
    assert {path for path in folder_of.rglob("*") if "sqlite" not in path.name} == before


def test_names_are_shown_on_one_line() -> None:
    assert shown_name("a\nb\u202e.jpg ") == "a\\nb\\u202e.jpg"
    assert len(shown_name("x" * 5000 + ".jpg")) == 400 and shown_name("x" * 5000 + ".jpg").endswith(".jpg")


def test_first_bytes_say_what_may_be_a_photograph() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"):
        assert why_no_picture(photo_bytes(0, kind)[:1024]) == ""
    assert why_no_picture(b"PK\x03\x04" + bytes(40)) and why_no_picture(b"MZ" + bytes(40))


def test_an_empty_file_field_is_no_photograph(client: TestClient) -> None:
    content = _part('name="files"; filename=""') + _part('name="classes"', CLASSES.encode()) + END
    done = client.post("/v1/classify", content=content, headers=TYPE)
    assert done.status_code == 422 and "at least one photograph" in done.json()["detail"]
    assert (
        len(client.post("/v1/classify", files=form(photo_bytes(0)), data={"classes": CLASSES}).json()["answers"]) == 1
    )
