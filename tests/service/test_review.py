"""What readers say of answers, and that evaluate, calibrate and the report take it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from tests.conftest import TinyEncoder
from tests.service.conftest import CLASSES, ended, form, photo_bytes
from zsderm.calibration import Calibration
from zsderm.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def job(client: TestClient) -> str:
    """A job of 30 photographs and a file that is none."""
    names = [f"visit 1/{number:02d}.jpg" for number in range(30)] + ["=1+1.jpg"]
    files = form(*map(photo_bytes, range(30)), b"%PDF-1.7", names=names)
    id = client.post("/v1/jobs", files=files, data={"classes": CLASSES}).json()["id"]
    assert ended(client, id)["state"] == "done"
    return id


def _say(client: TestClient, job: str, number: int, **said: str):
    return client.put(f"/v1/jobs/{job}/photographs/{number}/review", json=said)


def test_said_changed_and_undone(client: TestClient, job: str) -> None:
    label = client.get(f"/v1/jobs/{job}/photographs/0").json()["answer"]["label"]
    other = next(name for name in CLASSES.split(", ") if name != label)
    agreed = _say(client, job, 0, verdict="agree").json()["review"]
    assert (agreed["verdict"], agreed["label"]) == ("agree", label)
    changed = _say(client, job, 0, verdict="correct", label=other, comment=" seen twice ").json()["review"]
    assert (changed["label"], changed["comment"]) == (other, "seen twice")
    assert client.get(f"/v1/jobs/{job}").json()["reviewed"] == 1
    address = f"/v1/jobs/{job}/photographs/0/review"
    assert client.delete(address).json()["review"]["verdict"] == "agree"
    assert client.delete(address).json()["review"] is None
    assert client.delete(address).json()["review"] is None
    assert client.get(f"/v1/jobs/{job}/reviews").json() == {}


@pytest.mark.parametrize(
    ("number", "said", "status", "detail"),
    [
        (0, {"verdict": "correct", "label": "melanma"}, 422, "Did you mean 'melanoma'?"),
        (0, {"verdict": "correct"}, 422, "expected a class of this job as label, but got ''"),
        (0, {"verdict": "perhaps"}, 422, "verdict"),
        (
            0,
            {"verdict": "agree", "label": "psoriasis"},
            422,
            "but got 'psoriasis'; use verdict 'correct' for another class",
        ),
        (
            0,
            {"verdict": "cannot_tell", "label": "nevus"},
            422,
            "expected no label with verdict 'cannot_tell', but got 'nevus'",
        ),
        (2**70, {"verdict": "agree"}, 422, "number"),
        (0, {"verdict": "agree", "comment": "x" * 2001}, 422, "comment"),
        (30, {"verdict": "agree"}, 422, "there is no answer to agree with"),
        (99, {"verdict": "agree"}, 404, "there is no such photograph in this job"),
    ],
)
def test_what_cannot_be_said(
    client: TestClient, job: str, number: int, said: dict[str, str], status: int, detail: str
) -> None:
    done = _say(client, job, number, **said)
    assert done.status_code == status and detail in done.json()["detail"]


def test_damaged_json_is_said_in_words(client: TestClient, job: str) -> None:
    address = f"/v1/jobs/{job}/photographs/0/review"
    done = client.put(address, content='{"verdict": "agree", ', headers={"content-type": "application/json"})
    assert done.status_code == 422 and done.json()["detail"] == "request: this is not valid JSON"
    assert client.get(f"/v1/jobs/{job}/photographs?offset={2**70}").status_code == 422


def test_what_is_not_said_to_be_json_is_of_the_wrong_type(client: TestClient, job: str) -> None:
    address, said = f"/v1/jobs/{job}/photographs/0/review", b'{"verdict": "agree"}'
    done = client.put(address, content=said, headers={"content-type": "application/x-www-form-urlencoded"})
    assert (
        done.status_code == 415
        and done.json()["detail"] == "expected JSON, sent with the header Content-Type: application/json"
    )
    assert client.put(address, content=b"[]", headers={"content-type": "application/json"}).status_code == 422


def test_labels_are_taken_by_the_commands(
    client: TestClient, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = client.get(f"/v1/jobs/{job}/photographs?limit=1000").json()["photographs"]
    names = CLASSES.split(", ")
    for row in rows[:24]:
        _say(client, job, row["number"], verdict="correct", label=names[row["number"] % 3])
    _say(client, job, 24, verdict="cannot_tell", comment='blurred, "dark"\nand small')
    _say(client, job, 30, verdict="cannot_tell")
    text = client.get(f"/v1/jobs/{job}/labels.csv").text
    table = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert list(table.columns) == ["image", "true_label", "verdict", "comment"] and len(table) == 26
    assert table["true_label"].tolist()[24:] == ["", ""] and table["image"].tolist()[25] == "'=1+1.jpg"
    (tmp_path / "labels.csv").write_text(text, "utf-8")
    (tmp_path / "p.csv").write_text(client.get(f"/v1/jobs/{job}/result.csv").text, "utf-8")
    (tmp_path / "p.jsonl").write_text(client.get(f"/v1/jobs/{job}/result.jsonl").text, "utf-8")
    labels = ["--labels", str(tmp_path / "labels.csv")]
    evaluated = CliRunner().invoke(
        main, ["evaluate", "--predictions", str(tmp_path / "p.csv"), *labels, "--classes", CLASSES, "--json"]
    )
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["n"] == 24, evaluated.stdout[:900]
    (tmp_path / "visit 1").mkdir()
    for number in range(30):
        (tmp_path / "visit 1" / f"{number:02d}.jpg").write_bytes(photo_bytes(number))
    monkeypatch.setattr("zsderm.classifier.load_encoder", lambda name, device=None: TinyEncoder())
    record = str(tmp_path / "record.json")
    how = ["-c", CLASSES, "--method", "templates", "--cache-dir", str(tmp_path / "cache")]
    calibrated = CliRunner().invoke(main, ["calibrate", str(tmp_path / "visit 1"), *labels, *how, "-o", record])
    assert calibrated.exit_code == 0, calibrated.output
    assert len(Calibration.load(record).photographs) == 24


def test_the_report_has_what_was_said(client: TestClient, job: str) -> None:
    for number in range(6):
        _say(client, job, number, verdict="agree")
    page = client.get(f"/v1/jobs/{job}/result.html")
    assert page.status_code == 200 and "accuracy" in page.text.lower()
