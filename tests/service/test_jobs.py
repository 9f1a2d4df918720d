"""Jobs: rows as the command line has them, written as they come, cancelled, resumed and deleted."""

from __future__ import annotations

import errno
import io
import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from PIL.ExifTags import Base

from tests.service.conftest import CLASSES, Start, ended, form, photo_bytes

pytestmark = pytest.mark.slow


def _make(client: TestClient, count: int, **fields: str) -> str:
    files = form(*map(photo_bytes, range(count)))
    done = client.post("/v1/jobs", files=files, data={"classes": CLASSES, **fields})
    assert done.status_code == 201, done.text
    assert done.headers["location"] == f"/v1/jobs/{done.json()['id']}"
    return done.json()["id"]


def test_a_job_has_the_answers_of_one_request(client: TestClient) -> None:
    files = form(*map(photo_bytes, range(5)), b"%PDF-1.7")
    at_once = client.post("/v1/classify", files=files, data={"classes": CLASSES}).json()
    job = ended(client, client.post("/v1/jobs", files=files, data={"classes": CLASSES}).json()["id"])
    assert job["state"] == "done" and job["progress"] == {"total": 6, "done": 6, "failed": 1, "seconds_left": None}
    assert job["notes"] == at_once["notes"] and job["method"] == at_once["method"]
    rows = client.get(f"/v1/jobs/{job['id']}/photographs").json()["photographs"]
    assert [row["image"] for row in rows] == [f"{number}.jpg" for number in range(6)]
    for row, answer in zip(rows, at_once["answers"], strict=True):
        assert row["answer"]["label"] == answer["label"] and row["answer"]["error"] == answer["error"]
        assert row["answer"]["probability"] == pytest.approx(answer["probability"], abs=1e-6)
        assert (row["width"], row["height"]) == ((48, 48) if answer["ok"] else (None, None))


def test_the_photographs_of_a_job_refine_its_answers(client: TestClient) -> None:
    job = ended(client, _make(client, 20, prior="uniform"))
    assert (job["method"], job["prior"]) == ("kpl", "uniform"), job["notes"]
    rows = [row["answer"] for row in client.get(f"/v1/jobs/{job['id']}/photographs").json()["photographs"]]
    changed = sum(row["unrefined_label"] != row["label"] for row in rows) or "None"
    sentence = f"Refined: every class was stated to be equally common. {changed} of 20 answers changed."
    assert job["notes"][0] == sentence and "their mean over the 20 photographs was about" in job["notes"][1]
    few = ended(client, _make(client, 3, prior="uniform"))
    assert few["method"] != "kpl" and few["notes"][0].startswith("Not refined: only ")


def test_results_are_the_tables_of_the_command_line(client: TestClient) -> None:
    job = ended(client, _make(client, 4))["id"]
    csv = client.get(f"/v1/jobs/{job}/result.csv")
    assert csv.headers["content-disposition"] == 'attachment; filename="predictions.csv"'
    table = pd.read_csv(io.StringIO(csv.text))
    assert list(table.columns)[:3] == ["image", "label", "probability"] and len(table) == 4
    lines = [json.loads(line) for line in client.get(f"/v1/jobs/{job}/result.jsonl").text.splitlines()]
    assert [line["label"] for line in lines] == list(table["label"]) and lines[0]["classes"][0] == "melanoma"
    parquet = pd.read_parquet(io.BytesIO(client.get(f"/v1/jobs/{job}/result.parquet").content))
    assert list(parquet["label"]) == list(table["label"])
    page = client.get(f"/v1/jobs/{job}/result.html")
    assert page.status_code == 200, page.text[:500]
    assert "sandbox" in page.headers["content-security-policy"] and page.text.count("data:image/jpeg;base64,") >= 4
    assert client.get(f"/v1/jobs/{job}/result.exe").status_code == 422


def test_a_job_is_filled_in_several_requests(client: TestClient) -> None:
    job = _make(client, 2, start="false")
    assert client.get(f"/v1/jobs/{job}").json()["state"] == "open"
    added = client.post(f"/v1/jobs/{job}/photographs", files=form(photo_bytes(7), photo_bytes(8), names=["0.jpg"] * 2))
    assert added.json()["progress"]["total"] == 4
    assert client.post(f"/v1/jobs/{job}/start").status_code == 200
    assert ended(client, job)["state"] == "done"
    names = [row["image"] for row in client.get(f"/v1/jobs/{job}/photographs").json()["photographs"]]
    assert names == ["0.jpg", "1.jpg", "0 (2).jpg", "0 (3).jpg"]
    late = client.post(f"/v1/jobs/{job}/photographs", files=form(photo_bytes(9)))
    assert late.status_code == 409 and late.json()["detail"] == "this job is done, not open"


def test_of_a_refused_request_nothing_stays_in_an_open_job(client: TestClient, folder_of: Path) -> None:
    job = _make(client, 1, start="false")
    place, originals = f"/v1/jobs/{job}/photographs", folder_of / "jobs" / job / "originals"
    kept = list(originals.iterdir())
    assert client.post(place, files=form(photo_bytes(1)), data={"classes": CLASSES}).status_code == 422
    cut = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n' + photo_bytes(1) + b"\r\n"
    done = client.post(place, content=cut, headers={"content-type": "multipart/form-data; boundary=x"})
    assert done.status_code == 400 and "incomplete" in done.json()["detail"]
    assert list(originals.iterdir()) == kept and list((folder_of / "uploads").iterdir()) == []


@pytest.mark.parametrize("now", ["cancelled", "deleted", "cancelled at the last moment"])
def test_a_job_that_is_open_no_more_takes_nothing(
    client: TestClient, folder_of: Path, monkeypatch: pytest.MonkeyPatch, now: str
) -> None:
    service, job = client.app.state.service, _make(client, 1, start="false")
    originals = folder_of / "jobs" / job / "originals"
    kept = list(originals.iterdir())
    room, name = (service.store, "add") if "last" in now else (service.contents, "spread")
    own = getattr(room, name)

    def meanwhile(*given: object) -> object:  # while the photographs arrive
        if now == "deleted":
            service.runner.delete(job)
        else:
            service.store.move(job, ("open",), "cancelled")
        return own(*given)

    monkeypatch.setattr(room, name, meanwhile)
    done = client.post(f"/v1/jobs/{job}/photographs", files=form(photo_bytes(1)))
    assert done.status_code == (404 if now == "deleted" else 409), done.text
    assert list((folder_of / "uploads").iterdir()) == []
    if now != "deleted":
        assert list(originals.iterdir()) == kept
        assert client.get(f"/v1/jobs/{job}").json()["progress"]["total"] == 1


def test_a_picture_that_leaves_has_pixels_only(client: TestClient) -> None:
    exif = Image.Exif()
    exif[Base.Make], exif[Base.ImageDescription] = "CAMERA-OF-A-CLINIC", "Jane Doe 1970-01-01"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)  # latitude
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">Jane Doe</x:xmpmeta>'
    content = photo_bytes(3, side=900, exif=exif, xmp=xmp, comment=b"Jane Doe")
    assert b"Jane Doe" in content and b"CAMERA-OF-A-CLINIC" in content
    job = client.post("/v1/jobs", files=form(content), data={"classes": CLASSES}).json()["id"]
    assert ended(client, job)["state"] == "done"
    place = f"/v1/jobs/{job}/photographs/0"
    assert (client.get(place).json()["width"], client.get(place).json()["height"]) == (900, 900)
    for address in ("picture", "picture?large=true", "heat"):
        got = client.get(f"{place}/{address}")
        assert got.status_code == 200, got.text
        assert b"Jane" not in got.content and b"CAMERA" not in got.content
        with Image.open(io.BytesIO(got.content)) as picture:
            assert not picture.getexif() and not {"xmp", "comment", "icc_profile"} & set(picture.info)
            head = client.head(f"{place}/{address}")
            assert head.status_code == 200 and not head.content
            assert head.headers["content-length"] == got.headers["content-length"]
            if address != "picture":  # which this encoder, that looks at 8 pixels, gets from a part of the pixels
                assert max(picture.size) == (900 if "large" in address else 512)
    assert "Jane Doe" not in client.get(f"/v1/jobs/{job}/result.html").text
    for asked in ("x", "bytes=9999999-"):  # of the small picture, which is a file
        done = client.get(f"{place}/picture", headers={"range": asked})
        assert done.headers["content-type"] == "application/problem+json" and "header Range" in done.json()["detail"]


def test_cancelled_within_a_second_and_resumed(start: Start) -> None:
    client = start()
    job = _make(client, 400)
    while client.get(f"/v1/jobs/{job}").json()["progress"]["done"] < 16:
        time.sleep(0.01)
    asked = time.monotonic()
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    engine = client.app.state.service.engine
    while engine.waiting:
        time.sleep(0.01)
    assert time.monotonic() - asked < 1
    done = client.get(f"/v1/jobs/{job}").json()["progress"]["done"]
    assert 16 <= done < 400
    assert client.post(f"/v1/jobs/{job}/cancel").status_code == 409
    encoded = engine.encoder.images_encoded
    assert client.post(f"/v1/jobs/{job}/resume").status_code == 200
    assert ended(client, job)["state"] == "done"
    assert engine.encoder.images_encoded - encoded <= 400 - done


def test_a_full_disk_stops_a_job_which_then_goes_on(client: TestClient, folder_of: Path) -> None:
    job = _make(client, 40, start="false")
    preview = folder_of / "jobs" / job / "previews" / "20.jpg"
    preview.symlink_to("/dev/full")  # a write to it finds no space
    client.post(f"/v1/jobs/{job}/start")
    failed = ended(client, job)
    assert failed["state"] == "failed" and failed["reason"].startswith("the disk of the service is full")
    preview.unlink()
    encoded = client.app.state.service.engine.encoder.images_encoded
    client.post(f"/v1/jobs/{job}/resume")
    found = ended(client, job)
    assert found["state"] == "done" and found["reason"] == "" and found["progress"]["failed"] == 0
    assert client.app.state.service.engine.encoder.images_encoded - encoded <= 40


def test_a_full_database_is_a_problem_of_the_disk(start: Start) -> None:
    client = start()
    client.app.state.service.store.rows("PRAGMA max_page_count = 1")  # as many pages as there are, and no more
    done = client.post("/v1/jobs", files=form(*map(photo_bytes, range(200))), data={"classes": CLASSES})
    assert (done.status_code, done.json()["title"]) == (507, "Disk full")


def test_a_job_is_deleted_to_make_room_on_a_full_disk(
    client: TestClient, folder_of: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(client, _make(client, 1))["id"]
    store = client.app.state.service.store
    delete = store.delete

    def delete_where_there_is_room(id: str) -> None:
        if (folder_of / "jobs" / id).exists():
            raise sqlite3.OperationalError("database or disk is full")
        delete(id)

    monkeypatch.setattr(store, "delete", delete_where_there_is_room)
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.get(f"/v1/jobs/{job}").status_code == 404


def test_why_a_job_stopped_is_said_before_it_can_be_written(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, full = client.app.state.service, threading.Event()
    move = service.store.move
    full.set()

    def move_where_there_is_room(id: str, before: Sequence[str], state: str, reason: str = "") -> bool:
        if state == "failed" and full.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        return move(id, before, state, reason)

    def no_room(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(service.store, "move", move_where_there_is_room)
    monkeypatch.setattr(service.store, "write", no_room)
    address = f"/v1/jobs/{_make(client, 1)}"
    until = time.monotonic() + 20
    while not (said := client.get(address).json())["reason"] and time.monotonic() < until:
        time.sleep(0.02)
    assert said["state"] == "running" and said["reason"].startswith("the disk of the service is full")
    full.clear()
    failed = ended(client, address.rpartition("/")[2])
    assert failed["state"] == "failed" and failed["reason"] == said["reason"]


def test_deleted_with_everything(client: TestClient, folder_of: Path) -> None:
    names = ["Jane_Doe_1.jpg", "Jane_Doe_2.jpg"]
    files = form(photo_bytes(1), photo_bytes(2), names=names)
    job = client.post("/v1/jobs", files=files, data={"classes": CLASSES}).json()["id"]
    ended(client, job)
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.get(f"/v1/jobs/{job}").status_code == 404
    assert not (folder_of / "jobs" / job).exists()
    assert not any(b"Jane_Doe" in file.read_bytes() for file in folder_of.glob("jobs.sqlite*"))


def test_a_job_is_deleted_after_its_time(start: Start, tmp_path: Path) -> None:
    client = start(keep_hours=1, data_dir=tmp_path)
    job = ended(client, _make(client, 1))["id"]
    service = client.app.state.service
    service.runner._sweep()
    assert client.get(f"/v1/jobs/{job}").status_code == 200
    with service.store.changing() as change:
        change.execute("UPDATE job SET ended = ended - 3601")
    service.runner._sweep()
    assert client.get(f"/v1/jobs/{job}").status_code == 404 and not (tmp_path / "jobs" / job).exists()


def test_what_makes_no_job(client: TestClient, folder_of: Path) -> None:
    before = set((folder_of / "jobs").iterdir())
    for fields, files, status in (
        ({"classes": "melanoma"}, form(photo_bytes(0)), 422),
        ({"classes": CLASSES, "method": "magic"}, form(photo_bytes(0)), 422),
        ({"classes": CLASSES, "start": "perhaps"}, form(photo_bytes(0)), 422),
    ):
        assert client.post("/v1/jobs", files=files, data=fields).status_code == status
    assert client.post("/v1/jobs", json={"classes": CLASSES}).status_code == 415
    assert set((folder_of / "jobs").iterdir()) == before
    for address in ("/v1/jobs/nothing", "/v1/jobs/..%2F..%2Fetc", "/v1/jobs/nothing/result.csv"):
        assert client.get(address).status_code == 404


def test_too_many_jobs_are_refused(start: Start) -> None:
    client = start(waiting_jobs=1)
    first = _make(client, 300)
    while client.get(f"/v1/jobs/{first}").json()["state"] != "running":
        time.sleep(0.01)
    second = _make(client, 1)
    third = client.post("/v1/jobs", files=form(photo_bytes(0)), data={"classes": CLASSES})
    assert third.status_code == 503 and third.headers["retry-after"] == "30"
    client.post(f"/v1/jobs/{first}/cancel")
    assert ended(client, second)["state"] == "done"


def test_photographs_of_a_job_are_found_by_a_text(client: TestClient) -> None:
    job = ended(client, _make(client, 6))["id"]
    found = client.post(f"/v1/jobs/{job}/retrieve", json={"query": "a dark spot", "limit": 3}).json()
    scores = [hit["score"] for hit in found["hits"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    files = form(*map(photo_bytes, range(6)))
    again = client.post("/v1/retrieve", files=files, data={"query": "a dark spot", "limit": "3"}).json()
    assert [hit["number"] for hit in again["hits"]] == [hit["number"] for hit in found["hits"]]
