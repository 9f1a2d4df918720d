"""Photographs over HTTP: the answers of the command line, and an error of a file is never one of the request."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from PIL import Image

from tests.service.conftest import ADDRESS, CLASSES, Start, form, photo_bytes
from zsderm.cli import main
from zsderm.service.app import make_app
from zsderm.service.settings import ServiceSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.slow
def test_answers_equal_those_of_the_command_line(tmp_path: Path) -> None:
    photos = sorted((EXAMPLES / "images").iterdir())[:6]
    done = CliRunner().invoke(
        main, ["-q", "classify", *map(str, photos), "-c", CLASSES, "-o", str(tmp_path / "p.jsonl")]
    )
    assert done.exit_code == 0, done.output
    expected = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").splitlines()]
    with TestClient(make_app(ServiceSettings(data_dir=tmp_path / "served")), base_url=ADDRESS) as client:
        files = [("files", (path.name, path.read_bytes())) for path in photos]
        found = client.post("/v1/classify", files=files, data={"classes": CLASSES}).json()
    assert [answer["image"] for answer in found["answers"]] == [path.name for path in photos]
    for answer, row in zip(found["answers"], expected, strict=True):
        assert answer["label"] == row["label"]
        assert answer["probability"] == pytest.approx(row["probability"], abs=1e-5)
        assert answer["familiarity"] == pytest.approx(row["familiarity"], abs=1e-4)
        assert [text["text"] for text in answer["evidence"]] == [text["text"] for text in row["descriptions"]]
        shares = {entry["class"]: entry["probability"] for entry in answer["top"]}
        assert shares == pytest.approx({name: row[f"probability: {name}"] for name in shares}, abs=1e-5)
    assert found["method"] == expected[0]["method"]
    assert found["notes"] == expected[0]["manifest"]["notes"]


def _bomb() -> bytes:
    """A PNG file of a few bytes that claims 30 000 x 30 000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(90_000)))
        + chunk(b"IEND", b"")
    )


def _with_archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("page.html", "<script>alert(1)</script>")
    return photo_bytes(1) + archive.getvalue()


BAD = {
    "a bomb": (_bomb(), "too many pixels to open safely"),
    "cut short": (photo_bytes(1, side=400)[:-2000], "damaged or cut short"),
    "a PDF called .jpg": (b"%PDF-1.7\n" + bytes(100), "a PDF document, not a photograph"),
    "a PDF behind a JPEG's first bytes": (b"\xff\xd8\xff\xfe\x00\x20%PDF-1.7" + photo_bytes(1), "a PDF document"),
    "a picture that is an archive too": (_with_archive(), "also a ZIP archive"),
    "a page": (b"<html><script>alert(1)</script>", "not an image, or not one of"),
    "a drawing with a script": (
        b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        "not an image, or not one of",
    ),
    "a bitmap's first letters and nothing else": (b"BM" + bytes(60), "damaged or cut short|not an image"),
    "nothing": (b"", "the file is empty"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image, or not one of"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_an_error_of_that_file(client: TestClient, kind: str) -> None:
    content, reason = BAD[kind]
    done = client.post("/v1/classify", files=form(photo_bytes(0), content), data={"classes": CLASSES})
    assert done.status_code == 200, done.text
    good, bad = done.json()["answers"]
    assert good["ok"] and good["label"] and not good["error"]
    assert not bad["ok"] and bad["label"] == "" and bad["probability"] is None
    assert any(part in bad["error"] for part in reason.split("|")), bad["error"]


def test_a_file_that_is_too_large_is_an_error_of_that_file(start: Start) -> None:
    client = start(max_file_bytes=20_000)
    large = photo_bytes(1, "BMP", side=128)
    done = client.post("/v1/classify", files=form(large, photo_bytes(0)), data={"classes": CLASSES})
    bad, good = done.json()["answers"]
    assert good["ok"] and bad["error"] == "the file is larger than the limit of 19 KiB for a photograph"


def test_two_photographs_may_have_one_name(client: TestClient) -> None:
    files = form(photo_bytes(0), b"", photo_bytes(1), names=["a.jpg", "a.jpg", "a.jpg"])
    answers = client.post("/v1/classify", files=files, data={"classes": CLASSES}).json()["answers"]
    assert [(one["image"], one["ok"]) for one in answers] == [("a.jpg", True), ("a.jpg", False), ("a.jpg", True)]


def _said_by_the_command(*options: str) -> str:
    photo = EXAMPLES / "images" / "PAT_112_168_360.jpg"
    done = CliRunner().invoke(main, ["classify", str(photo), *options])
    assert done.exit_code == 1, done.output
    return done.stderr.strip().splitlines()[-1].removeprefix("Error: ")


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"classes": "melanoma"}, ["-c", "melanoma"]),
        ({"classes": "melanoma; nevus"}, ["-c", "melanoma; nevus"]),
        ({"classes": "nevus, Nevus"}, ["-c", "nevus, Nevus"]),
        ({"classes": "melanoma, AK, LP, MF, PG, EM, AN", "method": "descriptions"}, None),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_is_said_as_the_command_line_says_it(
    client: TestClient, fields: dict[str, str], options: list[str] | None
) -> None:
    options = options or ["-c", fields["classes"], "--method", fields["method"]]
    done = client.post("/v1/classify", files=form(photo_bytes(0)), data=fields)
    assert done.status_code == 422
    assert done.headers["content-type"] == "application/problem+json"
    assert done.json()["detail"] == _said_by_the_command(*options)


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ({"classes": CLASSES, "method": "kpll"}, 422, "Did you mean 'kpl'?"),
        ({"classes": CLASSES, "prior": "unifrom"}, 422, "expected prior to be auto, uniform, home or weights"),
        ({"classes": CLASSES, "prior": '{"melanoma": 1}'}, 422, "nevus, basal cell carcinoma have none"),
        ({"classes": CLASSES, "top_k": "0"}, 422, "top_k: Input should be greater than or equal to 1"),
        ({"classes": CLASSES, "views": "3"}, 422, "views"),
        ({"classes": CLASSES, "class": "x"}, 422, "this field does not exist. Did you mean 'classes'?"),
        ({"classes": ""}, 422, "expected class names"),
        ({"classes": "melanoma, ne\x1b[31mvus"}, 422, r"without control characters, but got 'ne\x1b[31mvus'"),
        ({"classes": "melanoma, ne\u202evus"}, 422, r"but got 'ne\u202evus'"),
        ({"classes": "melanoma, ne\0vus"}, 422, r"but got 'ne\x00vus'"),
        (
            {"classes": "melanoma, nevus", "prior": '{"nevus": 9, "nevus": 1}'},
            422,
            "'nevus' comes twice",
        ),
        ({"classes": CLASSES, "files": ""}, 422, "files: expected files, but got text"),
        ({"classes": "/etc/passwd"}, 422, "expected at least 2 classes, but got only '/etc/passwd'"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_field_that_cannot_be_used_is_a_problem(
    client: TestClient, fields: dict[str, str], status: int, detail: str
) -> None:
    done = client.post("/v1/classify", files=form(photo_bytes(0)), data=fields)
    assert done.status_code == status
    problem = done.json()
    assert detail in problem["detail"] and problem["status"] == status and problem["type"].startswith("urn:zsderm:")


def test_weights_and_top_k_are_used(client: TestClient) -> None:
    weights = json.dumps({"melanoma": 1, "nevus": 8, "basal cell carcinoma": 1})
    fields = {"classes": CLASSES, "prior": weights, "top_k": "2", "method": "templates", "views": "4"}
    done = client.post("/v1/classify", files=form(*map(photo_bytes, range(3))), data=fields)
    assert done.status_code == 200, done.text
    found = done.json()
    assert found["method"] == "templates" and all(len(answer["top"]) == 2 for answer in found["answers"])


def test_a_heat_map_is_a_picture(client: TestClient) -> None:
    import base64

    fields = {"classes": CLASSES, "explain": "true"}
    answers = client.post("/v1/classify", files=form(photo_bytes(0), b"x"), data=fields).json()["answers"]
    kind, _, content = answers[0]["heat_map"].partition(",")
    assert kind == "data:image/png;base64" and answers[1]["heat_map"] is None
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.format == "PNG" and max(picture.size) == 512 and not picture.getexif()


def test_nothing_of_a_request_is_left_on_the_disk(client: TestClient, folder_of: Path) -> None:
    client.post("/v1/classify", files=form(photo_bytes(0)), data={"classes": CLASSES})
    client.post("/v1/classify", files=form(photo_bytes(0)), data={"classes": "x"})
    assert list((folder_of / "uploads").iterdir()) == []


def test_the_command_line_is_quick_without_the_service() -> None:
    code = "import sys, zsderm.cli.serve; sys.exit(any(name in sys.modules for name in ('fastapi', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_more_classes_than_others_can_wait_for(client: TestClient) -> None:
    many = ", ".join(f"c{number}" for number in range(401))
    said = "expected at most 400 classes in one request, but got 401"
    done = client.post("/v1/classify", files=form(photo_bytes(0)), data={"classes": many})
    assert done.status_code == 422 and done.json()["detail"] == said
    done = client.get("/v1/knowledge/classes", params={"classes": many})
    assert done.status_code == 422 and done.json()["detail"] == said


def test_a_name_that_may_mean_several_diseases_is_said_to(client: TestClient) -> None:
    found = client.get("/v1/knowledge/classes", params={"classes": "melanoma, PG"}).json()
    one = found["classes"][1]
    assert one["ambiguous"] and not one["known"] and found["error"] == one["detail"]
    assert one["suggestions"] == ["pyoderma gangrenosum", "pyogenic granuloma"]
    refused = client.post("/v1/classify", files=form(photo_bytes(0)), data={"classes": "melanoma, PG"})
    assert refused.status_code == 422 and refused.json()["detail"] == found["error"]


def test_a_field_that_is_called_as_a_part_of_a_request_is_named(client: TestClient) -> None:
    done = client.post("/v1/retrieve", files=form(photo_bytes(0)))
    assert done.status_code == 422 and done.json()["detail"] == "query: Field required"
    done = client.get("/v1/knowledge/search")
    assert done.status_code == 422 and done.json()["detail"] == "query: Field required"


def test_only_the_first_unknown_names_get_suggestions(client: TestClient) -> None:
    names = ", ".join(f"melanoma{number}x" for number in range(12))
    found = client.get("/v1/knowledge/classes", params={"classes": names}).json()["classes"]
    assert [bool(one["suggestions"]) for one in found] == [True] * 10 + [False] * 2
    assert all(one["detail"] for one in found)
