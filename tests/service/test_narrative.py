"""The words of a patient beside photographs: answered as by the command line, kept as long as the photographs."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from tests.service.conftest import ADDRESS, CLASSES, Start, ended, form, photo_bytes
from zsderm.cli import main
from zsderm.service.app import make_app
from zsderm.service.client import ServiceClient
from zsderm.service.settings import ServiceSettings

STORY = "My name is Zwetschge. It bled twice and grew since summer; another doctor said melanoma."
EXAMPLE = sorted((Path(__file__).resolve().parents[2] / "examples" / "images").iterdir())[0]


@pytest.mark.slow
def test_answers_with_words_equal_those_of_the_command_line(tmp_path: Path) -> None:
    table = tmp_path / "p.jsonl"
    done = CliRunner().invoke(
        main, ["-q", "classify", str(EXAMPLE), "-c", CLASSES, "--narrative", STORY, "-o", str(table)]
    )
    assert done.exit_code == 0, done.output
    row = json.loads(table.read_text("utf-8").splitlines()[0])
    with TestClient(make_app(ServiceSettings(data_dir=tmp_path / "served")), base_url=ADDRESS) as http:
        found = ServiceClient(http=http).classify([EXAMPLE], CLASSES, narrative=STORY)
        plain = ServiceClient(http=http).classify([EXAMPLE], CLASSES)
    [answer], words = found.answers, found.answers[0].words
    assert words is not None and plain.answers[0].words is None
    assert (answer.label, words.label_by_image, words.label_by_words) == (
        row["label"],
        row["label_by_image"],
        row["label_by_words"],
    )
    assert answer.probability == pytest.approx(row["probability"], abs=1e-5)
    assert words.probability_by_image == pytest.approx(plain.answers[0].probability, abs=1e-6)
    assert words.probability_by_words == pytest.approx(row["probability_by_words"], abs=1e-5)
    assert "; ".join(f"{one.disease}: {one.sentence}" for one in words.matched) == row["matched"]
    assert words.masked == ["melanoma"] and words.narrative_note == row["narrative_note"]
    assert found.notes == row["manifest"]["notes"]


@pytest.mark.slow
def test_words_are_kept_with_their_job_and_never_logged(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    client = start()
    folder = client.app.state.settings.data_dir
    caplog.set_level(logging.DEBUG)
    files = form(photo_bytes(0), b"%PDF-")
    done = client.post("/v1/jobs", files=files, data={"classes": CLASSES, "narrative": STORY})
    id = done.json()["id"]
    assert ended(client, id)["state"] == "done"
    good, bad = client.get(f"/v1/jobs/{id}/photographs").json()["photographs"]
    assert good["answer"]["words"]["masked"] == ["melanoma"] and bad["answer"]["error"] and not bad["answer"]["words"]
    assert "label_by_words" in client.get(f"/v1/jobs/{id}/result.csv").text.splitlines()[0]
    assert client.get(f"/v1/jobs/{id}/result.html").status_code == 200
    assert client.get(f"/v1/jobs/{id}/photographs/0/heat").status_code == 200
    assert any(b"Zwetschge" in file.read_bytes() for file in folder.glob("jobs.sqlite*"))
    assert client.delete(f"/v1/jobs/{id}").status_code == 204
    assert not any(b"Zwetschge" in file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert "Zwetschge" not in caplog.text


def test_words_that_cannot_be_read_are_refused_without_being_repeated(client: TestClient, start: Start) -> None:
    files = form(photo_bytes(0))
    for fields in ({"narrative": "Zwetschge " * 3000}, {"narrative": "Zwetschge", "words_weight": "11"}):
        done = client.post("/v1/classify", files=files, data={"classes": CLASSES, **fields})
        assert done.status_code == 422 and "Zwetschge" not in done.text
    none = start(knowledge=None)
    for place in ("/v1/classify", "/v1/jobs"):
        done = none.post(place, files=files, data={"classes": CLASSES, "narrative": "It bled."})
        assert done.status_code == 422 and "a narrative needs a knowledge base" in done.json()["detail"]
