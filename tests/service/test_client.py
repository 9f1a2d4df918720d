"""The Python client against the application and against its schema."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import CLASSES, Start, photo_bytes
from zsderm.errors import InputError
from zsderm.service.client import ServiceClient, ServiceError

pytestmark = pytest.mark.slow


@pytest.fixture
def service(client: TestClient) -> ServiceClient:
    return ServiceClient(http=client)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{seed}.jpg" for seed in range(4)]
    for seed, path in enumerate(paths):
        path.write_bytes(photo_bytes(seed))
    paths.append(tmp_path / "torn.jpg")
    paths[-1].write_bytes(photo_bytes(9, side=300)[:500])
    return paths


def test_a_few_photographs(service: ServiceClient, photos: list[Path]) -> None:
    found = service.classify(photos, CLASSES.split(", "), top_k=2, method="templates")
    assert [answer.ok for answer in found.answers] == [True] * 4 + [False]
    assert found.answers[0].top[0].class_ == found.answers[0].label and len(found.answers[0].top) == 2
    assert service.embed(photos).embeddings[0].embedding is not None
    scores = service.annotate(photos[:1]).annotations[0].scores
    assert scores is not None and len(scores) == len(service.annotate(photos[:1]).concepts)
    assert service.retrieve(photos, "a dark spot", limit=1).hits[0].image.endswith(".jpg")


def test_a_job_from_beginning_to_end(
    service: ServiceClient, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zsderm.service.client.SENT_AT_ONCE", 2)
    job = service.wait(service.create_job(photos, CLASSES).id, every=0.05)
    assert job.progress.total == 5 and job.id in [one.id for one in service.jobs()]
    rows = list(service.photographs(job.id))
    assert [row.image for row in rows] == [path.name for path in photos]
    assert service.review(job.id, 0, "correct", "nevus", "seen").review.label == "nevus"
    assert service.undo_review(job.id, 0).review is None
    service.review(job.id, 1, "agree")
    for suffix in ("csv", "jsonl", "parquet", "html"):
        service.save_result(job.id, tmp_path / f"p.{suffix}")
    service.save_labels(job.id, tmp_path / "labels.csv")
    assert list(pd.read_csv(tmp_path / "labels.csv")["image"]) == ["1.jpg"]
    assert len(pd.read_csv(tmp_path / "p.csv")) == 5
    service.delete_job(job.id)
    with pytest.raises(ServiceError, match="there is no such job"):
        service.job(job.id)


def test_what_the_service_knows(service: ServiceClient) -> None:
    found = service.check_classes("BCC, melanma")
    assert [one.disease for one in found.classes] == ["basal cell carcinoma", None]
    assert "melanoma" in found.classes[1].suggestions and found.error == ""
    assert service.check_classes("melanoma").error.startswith("expected at least 2 classes")
    assert service.descriptions("rodent ulcer").disease == "basal cell carcinoma"
    assert service.models()[0].loaded and service.health().status == "ok"
    assert service.readiness().knowledge == "dermatology"
    with pytest.raises(ServiceError, match="melanoma"):
        service.descriptions("melanma")


def test_what_is_refused_is_an_error_with_the_problem(service: ServiceClient, photos: list[Path]) -> None:
    with pytest.raises(ServiceError, match="expected at least 2 classes") as caught:
        service.classify(photos, "melanoma")
    assert caught.value.problem.status == 422 and caught.value.problem.title == "Cannot be used"
    with pytest.raises(InputError, match="No such file"):
        service.classify([*photos, "/nope.jpg"], CLASSES)
    before = len(service.jobs())
    with pytest.raises(InputError, match="cannot read"):
        service.create_job([*photos, "/nope.jpg"], CLASSES)
    assert len(service.jobs()) == before
    with pytest.raises(InputError, match="does not answer"):
        ServiceClient("http://127.0.0.1:9").health()


def test_a_busy_service_is_asked_again(start: Start, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    client = start(queue=8)
    engine = client.app.state.service.engine
    engine.let_in(8)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            engine.leave(8)

    monkeypatch.setattr("zsderm.service.client.time.sleep", sleep)
    assert client.get("/v1/readyz").status_code == 503
    done = client.post("/v1/embed", files=[("files", ("a.jpg", photo_bytes(0)))])
    assert done.status_code == 503 and done.headers["retry-after"] == "1" and done.json()["title"] == "Busy"
    assert len(ServiceClient(http=client).classify(photos, CLASSES).answers) == 5
    assert slept == [1.0, 1.0]


def test_every_address_of_the_schema_is_one_of_the_client_or_the_page(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    source = Path(ServiceClient.__init__.__code__.co_filename).read_text("utf-8")
    apart = (
        "/v1/metrics",
        "/v1/session",
        "/picture",
        "/heat",
        "/reviews",
        "/search",
        "/lists",
        "/knowledge",
        "/retrieve",
    )
    asked = {re.sub(r"{.*?}", "{}", part) for part in re.findall(r'"(/v1/[^"]*)"', source)}
    for address in schema["paths"]:
        if not address.endswith(apart) and not address.endswith("/photographs/{number}"):
            assert re.sub(r"{.*?}", "{}", address) in asked, address
    for place in schema["paths"].values():
        for how in place.values():
            problem = how["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"]
            assert problem.endswith("/Problem") and how["summary"] and how["operationId"]
