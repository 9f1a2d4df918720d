"""The service from Python: a typed client, for programs that run elsewhere.

    with ServiceClient("http://127.0.0.1:8000") as service:
        found = service.classify(["photo.jpg"], classes="melanoma, nevus")
        job = service.wait(service.create_job(sorted(folder.iterdir()), classes="melanoma, nevus").id)
        service.save_result(job.id, "predictions.csv")

It needs httpx and pydantic, which the extra ``serve`` brings. What it returns are the models of
`zsderm.service.schemas`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from zsderm.atomic_files import atomic_file
from zsderm.errors import InputError, ZsdermError
from zsderm.service.knowledge_schemas import KnowledgeDescriptions, KnownClasses, ModelCard
from zsderm.service.schemas import (
    Annotated_,
    Classified,
    Embedded,
    Health,
    Job,
    Jobs,
    Photograph,
    Photographs,
    Problem,
    Readiness,
    Retrieved,
    ReviewRequest,
    Verdict,
)

Answered = TypeVar("Answered", bound=BaseModel)
Source = str | os.PathLike[str]

SENT_AT_ONCE = 50  # photographs of a job in one request
TRIES = 5  # where the service is busy


class ServiceError(ZsdermError):
    """The service refused a request.

    Args:
        problem: the problem details (RFC 9457) that it sent.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ServiceClient:
    """Sends requests to a service.

    Args:
        address: of the service, such as "http://127.0.0.1:8000".
        key: of the service, if it needs one.
        timeout: seconds to wait for an answer.
        http: the httpx client to use, such as one with certificates; by default a new one.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        timeout: float = 120,
        http: httpx.Client | None = None,
    ) -> None:
        self._http = http or httpx.Client(base_url=address, timeout=timeout)
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def classify(self, photographs: Sequence[Source], classes: str | Sequence[str] = "", **how: Any) -> Classified:
        """Classify a few photographs, and wait for the answers.

        Args:
            photographs: N files.
            classes: names, or one text with commas; empty if the service has a fitted classifier.
            how: method, prior, top_k, views, modality, explain, narrative, words_weight; see
                `zsderm.service.schemas.ClassifyRequest`.

        Raises:
            ServiceError: the service refused the request. A photograph that cannot be decoded is an answer, not an
                error.
            InputError: a file does not exist or cannot be read, or the service does not answer.
        """
        return self._send(Classified, "/v1/classify", photographs, {"classes": _joined(classes), **how})

    def embed(self, photographs: Sequence[Source], **how: Any) -> Embedded:
        """Embed a few photographs; `how` may say views. Raises as `classify`."""
        return self._send(Embedded, "/v1/embed", photographs, how)

    def annotate(self, photographs: Sequence[Source], concepts: str = "skincon") -> Annotated_:
        """Score the visual concepts of a few photographs. Raises as `classify`."""
        return self._send(Annotated_, "/v1/annotate", photographs, {"concepts": concepts})

    def retrieve(self, photographs: Sequence[Source], query: str, limit: int = 10) -> Retrieved:
        """Find those of a few photographs that are most similar to a text. Raises as `classify`."""
        return self._send(Retrieved, "/v1/retrieve", photographs, {"query": query, "limit": limit})

    def create_job(self, photographs: Sequence[Source], classes: str | Sequence[str] = "", **how: Any) -> Job:
        """Send many photographs in several requests, and start a job that classifies them together.

        Args:
            photographs: N files.
            classes: see `classify`.
            how: see `classify`.

        Raises:
            ServiceError, InputError: see `classify`; nothing is sent where a file is missing.
        """
        _expect_files(photographs)  # of all of them, before any is sent
        fields = {"classes": _joined(classes), **how, "start": False}
        job = self._send(Job, "/v1/jobs", photographs[:SENT_AT_ONCE], fields)
        for start in range(SENT_AT_ONCE, len(photographs), SENT_AT_ONCE):
            place = f"/v1/jobs/{job.id}/photographs"
            self._send(Job, place, photographs[start : start + SENT_AT_ONCE], {})
        return self._ask(Job, "POST", f"/v1/jobs/{job.id}/start")

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        return self._ask(Jobs, "GET", "/v1/jobs").jobs

    def job(self, id: str) -> Job:
        """The state and progress of a job."""
        return self._ask(Job, "GET", f"/v1/jobs/{id}")

    def wait(self, id: str, every: float = 1.0) -> Job:
        """Wait until a job is done.

        Raises:
            InputError: it failed or was cancelled.
        """
        while (job := self.job(id)).state in ("queued", "running"):
            time.sleep(every)
        if job.state != "done":
            raise InputError(f"the job is {job.state}{f': {job.reason}' if job.reason else ''}")
        return job

    def cancel_job(self, id: str) -> Job:
        """Cancel a job; it can be resumed."""
        return self._ask(Job, "POST", f"/v1/jobs/{id}/cancel")

    def resume_job(self, id: str) -> Job:
        """Resume a job that failed or was cancelled."""
        return self._ask(Job, "POST", f"/v1/jobs/{id}/resume")

    def delete_job(self, id: str) -> None:
        """Delete a job with its photographs."""
        self._response("DELETE", f"/v1/jobs/{id}")

    def photographs(self, id: str) -> Iterable[Photograph]:
        """The photographs of a job with their answers, requested from the service as they are needed."""
        offset, total = 0, 1
        while offset < total:
            found = self._ask(Photographs, "GET", f"/v1/jobs/{id}/photographs", params={"offset": offset, "limit": 200})
            yield from found.photographs
            offset, total = offset + 200, found.total

    def save_result(self, id: str, path: Source) -> None:
        """Save the result of a job that is done, in the format of the suffix: .csv, .jsonl, .parquet or .html."""
        kind = Path(path).suffix.lower().removeprefix(".")
        self._save(f"/v1/jobs/{id}/result.{kind}", path)

    def save_labels(self, id: str, path: Source) -> None:
        """Save the verdicts on a job, as a table of labels for evaluate and calibrate."""
        self._save(f"/v1/jobs/{id}/labels.csv", path)

    def review(self, id: str, number: int, verdict: Verdict, label: str = "", comment: str = "") -> Photograph:
        """Give a verdict on an answer: agree, correct (with a label) or cannot_tell."""
        said = ReviewRequest(verdict=verdict, label=label, comment=comment).model_dump()
        return self._ask(Photograph, "PUT", f"/v1/jobs/{id}/photographs/{number}/review", json=said)

    def undo_review(self, id: str, number: int) -> Photograph:
        """Remove the latest verdict on a photograph."""
        return self._ask(Photograph, "DELETE", f"/v1/jobs/{id}/photographs/{number}/review")

    def check_classes(self, classes: str | Sequence[str]) -> KnownClasses:
        """How the knowledge base of the service understands class names."""
        return self._ask(KnownClasses, "GET", "/v1/knowledge/classes", params={"classes": _joined(classes)})

    def descriptions(self, name: str) -> KnowledgeDescriptions:
        """The descriptions of a disease in the knowledge base."""
        return self._ask(KnowledgeDescriptions, "GET", "/v1/knowledge/descriptions", params={"name": name})

    def models(self) -> list[ModelCard]:
        """The model of the service, then the other models that it could be started with."""
        return [ModelCard.model_validate(card) for card in self._response("GET", "/v1/models").json()]

    def health(self) -> Health:
        """Whether the service runs."""
        return self._ask(Health, "GET", "/v1/healthz")

    def readiness(self) -> Readiness:
        """The loaded model, and the limits of the service."""
        return self._ask(Readiness, "GET", "/v1/readyz")

    def _send(
        self, model: type[Answered], place: str, photographs: Sequence[Source], fields: dict[str, Any]
    ) -> Answered:
        _expect_files(photographs)
        data = {name: _text(value) for name, value in fields.items() if value is not None}
        for left in reversed(range(TRIES)):
            with ExitStack() as open_:
                files = [("files", (Path(path).name, open_.enter_context(open(path, "rb")))) for path in photographs]
                try:
                    return model.model_validate(self._response("POST", place, data=data, files=files).json())
                except ServiceError as error:
                    if error.problem.status != 503 or not left:
                        raise
            time.sleep(self._retry_after)
        raise AssertionError("not reached")

    def _ask(self, model: type[Answered], method: str, place: str, **how: Any) -> Answered:
        return model.model_validate(self._response(method, place, **how).json())

    def _save(self, place: str, path: Source) -> None:
        content = self._response("GET", place).content
        with atomic_file(path) as draft:
            draft.write_bytes(content)

    def _response(self, method: str, place: str, **how: Any) -> httpx.Response:
        try:
            response = self._http.request(method, place, headers=self._headers, **how)
        except httpx.TransportError as error:
            raise InputError(
                f"the service does not answer ({type(error).__name__}). Is `zsderm serve` running?"
            ) from error
        self._retry_after = float(response.headers.get("retry-after", 1))
        if response.is_success:
            return response
        if response.headers.get("content-type", "").startswith("application/problem+json"):
            raise ServiceError(Problem.model_validate(response.json()))
        raise InputError(
            f"expected an answer of zsderm serve, but got status {response.status_code}. Check the address."
        )


def _expect_files(photographs: Sequence[Source]) -> None:
    for path in photographs:
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise InputError(f"cannot read '{os.fspath(path)}': {error.strerror or error}") from error


def _joined(classes: str | Sequence[str]) -> str:
    return classes if isinstance(classes, str) else ", ".join(classes)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
