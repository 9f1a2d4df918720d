"""Who may ask, what a browser may do with the answer, and what is written down."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from tests.service.conftest import CLASSES, Start, ended, form, photo_bytes
from zsderm.errors import SettingsError
from zsderm.service.security import HEADERS
from zsderm.service.settings import ServiceSettings

KEY = "a key of more than sixteen characters"


@pytest.fixture(scope="module")
def locked(start: Start) -> TestClient:
    """A service with a key."""
    return start(api_key=KEY, host="0.0.0.0", host_names=("derma.example",))


def test_every_answer_tells_the_browser_to_be_strict(client: TestClient) -> None:
    for address in ("/v1/healthz", "/v1/nothing", "/openapi.json"):
        headers = client.get(address).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8000"}, 200),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:8000"}, 421),
        ({"host": "localhost@evil.example"}, 421),
        ({"host": ""}, 421),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://localhost:8000"}, 403),  # the page was opened as 127.0.0.1: another origin
        ({"origin": "null"}, 403),
        ({"origin": "http://[bad"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_other_names_and_other_pages_are_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    done = client.get("/v1/models", headers=headers)
    assert done.status_code == status
    assert done.headers["content-type"] == ("application/json" if status == 200 else "application/problem+json")


def test_a_request_of_two_lengths_is_refused_and_its_connection_ended(client: TestClient) -> None:
    done = client.post("/v1/classify", content=b"x", headers={"transfer-encoding": "chunked", "content-length": "1"})
    assert done.status_code == 400 and done.headers["connection"] == "close"


def test_a_page_of_another_site_cannot_send_photographs(client: TestClient) -> None:
    done = client.post(
        "/v1/classify",
        files=form(photo_bytes(0)),
        data={"classes": CLASSES},
        headers={"origin": "https://evil.example"},
    )
    assert done.status_code == 403
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert client.options("/v1/classify", headers=asked).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"x-api-key": KEY}, 200),
        ({"x-api-key": KEY[:-1]}, 401),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"x-api-key": "ÿ"}, 401),
        ({"cookie": "zsderm_session=guess"}, 401),
        ({"cookie": "zsderm_session="}, 401),
    ],
    ids=lambda value: "-".join(value.values()) or "none" if isinstance(value, dict) else "",
)
def test_a_key_is_needed_where_there_is_one(locked: TestClient, headers: dict[str, str], status: int) -> None:
    headers = {name: text.encode("latin-1") for name, text in headers.items()}
    for address in ("/v1/models", "/v1/jobs", "/v1/metrics"):
        done = locked.get(address, headers=headers)
        assert done.status_code == status
        if status == 401:
            assert done.headers["www-authenticate"] == "Bearer" and done.json()["title"] == "Key missing or wrong"


def test_without_the_key_nothing_is_read_of_a_form(locked: TestClient) -> None:
    done = locked.post("/v1/classify", files=form(photo_bytes(0)), data={"classes": CLASSES})
    assert done.status_code == 401


def test_whether_it_runs_may_be_asked_without_the_key(locked: TestClient) -> None:
    assert locked.get("/v1/healthz").status_code == 200
    assert locked.get("/v1/readyz").json()["key_needed"] is True


def test_a_page_gives_the_key_once(locked: TestClient) -> None:
    assert locked.post("/v1/session", json={"key": "wrong"}).status_code == 401
    done = locked.post("/v1/session", json={"key": KEY})
    assert done.status_code == 204 and KEY not in done.headers["set-cookie"]
    assert "HttpOnly" in done.headers["set-cookie"] and "SameSite=strict" in done.headers["set-cookie"]
    assert locked.get("/v1/models").status_code == 200  # the client keeps cookies, as a browser does
    assert locked.get("/v1/models", headers={"origin": "https://evil.example"}).status_code == 403
    locked.delete("/v1/session")
    assert locked.get("/v1/models").status_code == 401


def test_a_proxy_may_call_it_by_its_name(locked: TestClient) -> None:
    given = {"x-api-key": KEY, "host": "derma.example"}
    assert locked.get("/v1/models", headers=given).status_code == 200
    assert locked.get("/v1/models", headers=given | {"host": "other.example"}).status_code == 421


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "other machines could reach the photographs at 0.0.0.0 without a key"),
        ({"host": "192.168.1.5"}, "without a key"),
        ({"host": "::"}, "without a key"),
        ({"host": "derma.example"}, "without a key"),
        ({"api_key": "short"}, "the key has fewer than 16 characters"),
        ({"port": 70000}, "Expected a port from 0 to 65535"),
        ({"keep_hours": 0}, "more than 0 hours"),
        ({"keep_hours": float("inf")}, "at most 876000 .a hundred years., but got inf"),
    ],
)
def test_what_would_not_be_safe_does_not_start(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ServiceSettings(**given)


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(ServiceSettings(api_key=KEY))


def test_no_name_of_a_file_is_logged_or_counted(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    client = start()
    name = "Jane_Doe_1970.jpg"
    with caplog.at_level(logging.DEBUG):
        files = form(photo_bytes(0), photo_bytes(1)[:-20], b"%PDF-", names=[name] * 3)
        client.post("/v1/classify", files=files, data={"classes": CLASSES})
        job = client.post("/v1/jobs", files=files, data={"classes": CLASSES}).json()["id"]
        ended(client, job)
        client.get(f"/v1/jobs/{job}/result.csv")
        client.get(f"/v1/jobs/{job}/result.html")
    assert "Jane" not in caplog.text and job in caplog.text
    metrics = client.get("/v1/metrics").text
    assert "Jane" not in metrics and "zsderm_requests_total" in metrics and "_created" not in metrics


def test_a_defect_is_a_problem_and_its_text_is_not_logged(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start()

    def fails(*given: object) -> None:
        raise KeyError("_".join(("Jane", "Doe.jpg")))

    monkeypatch.setattr(client.app.state.service.classifiers, "find", fails)
    done = client.post("/v1/classify", files=form(photo_bytes(0)), data={"classes": CLASSES})
    assert done.status_code == 500 and done.json()["title"] == "Defect" and "nosniff" in str(done.headers)
    assert "Jane_Doe" not in done.text + caplog.text and "_answer" in caplog.text


def test_a_client_that_goes_away_is_no_defect(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/classify",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"multipart/form-data; boundary=x")],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 400 and "a defect" not in caplog.text
