"""The thread that runs the jobs, one after another.

Embeddings are stored batch by batch, so that an interrupted job continues with the remaining photographs. Answers are
computed at the end, from all embeddings: each photograph refines the answers of the others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from sqlite3 import OperationalError
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from zsderm.errors import ImageError, ZsdermError
from zsderm.predictions import Predictions
from zsderm.service.answers import answers_of, facts_of
from zsderm.service.asking import asking
from zsderm.service.engine import Row
from zsderm.service.jobs.records import Embedded, JobRecord, PhotographRecord
from zsderm.service.pictures import PREVIEW_SIDE, Pictures
from zsderm.service.problems import is_full, where

if TYPE_CHECKING:
    from zsderm.service.answers import Classifiers
    from zsderm.service.engine import Engine
    from zsderm.service.jobs.folders import JobFolders
    from zsderm.service.jobs.results import JobResults
    from zsderm.service.jobs.store import JobStore

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK = 0.2  # seconds between looks at whether a job was cancelled
AHEAD = 2  # batches that are decoded before the model asks for them
SWEEP = 60.0  # seconds between looks for jobs that are to be deleted

FULL = "the disk of the service is full; free some space there and resume the job"


class _Interrupted(Exception):
    """The job was cancelled, or the server stops."""


@dataclass
class _Pace:
    """How quickly a job goes since it was begun or resumed."""

    started: float
    done: int = 0


@dataclass
class _Batch:
    """Photographs that the model sees together: being decoded, then being embedded."""

    photographs: list[tuple[PhotographRecord, Future[tuple[tuple[int, int], torch.Tensor]]]]
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)  # by number, as the rest
    rows: dict[int, Row] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


class JobRunner:
    """Runs jobs until it is stopped.

    Args:
        store: database of the jobs.
        folders: folders with their photographs.
        pictures: decodes the photographs.
        engine: embeds the photographs.
        classifiers: give the answers.
        results: writes the tables and the report.
        batch_size: number of photographs embedded and stored at once.
        keep_hours: hours after which an ended job is deleted.
        workers: number of threads that wait for decoders.
    """

    def __init__(
        self,
        store: JobStore,
        folders: JobFolders,
        pictures: Pictures,
        engine: Engine,
        classifiers: Classifiers,
        results: JobResults,
        *,
        batch_size: int = 16,
        keep_hours: float = 72,
        workers: int = 2,
    ) -> None:
        self._store, self._folders, self._pictures, self._engine = store, folders, pictures, engine
        self._classifiers, self._results = classifiers, results
        self._batch_size, self._keep_seconds, self._workers = batch_size, keep_hours * 3600, workers
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._cancelled: set[str] = set()
        self._pace: dict[str, _Pace] = {}
        self._failing: tuple[str, str] | None = None  # a job whose failure cannot be written yet, and its reason
        self._last: tuple[tuple[str, int], Predictions] | None = None  # heat maps and report ask for them again
        self._answering = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="zsderm-jobs", daemon=True)

    def start(self) -> None:
        """Continue interrupted and waiting jobs."""
        if again := self._store.queue_again():
            log.info("%d interrupted jobs go on", again)
        self._thread.start()

    def end(self) -> None:
        """Process no more photographs; the running job continues at the next start."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Stop, and wait until the thread has stopped."""
        self.end()
        self._thread.join()

    def wake(self) -> None:
        """Tell the thread that there is a new job."""
        self._wake.set()

    def cancel(self, id: str) -> None:
        """Process no more photographs of a cancelled job."""
        self._cancelled.add(id)
        self._wake.set()

    def forget_cancel(self, id: str) -> None:
        """Allow a cancelled job to continue."""
        self._cancelled.discard(id)

    def seconds_left(self, job: JobRecord) -> float | None:
        """The estimated remaining time of a job in seconds; None if unknown."""
        pace = self._pace.get(job.id)
        if pace is None or not pace.done or job.state != "running":
            return None
        return (time.monotonic() - pace.started) / pace.done * (job.total - job.done)

    def reason(self, job: JobRecord) -> str:
        """Why a job stopped, even if the disk is too full to store the reason in the database."""
        failing = self._failing
        return failing[1] if failing is not None and failing[0] == job.id and job.state == "running" else job.reason

    def delete(self, id: str) -> None:
        """Delete a job with its photographs and results, also on a full disk."""
        self.cancel(id)
        self._last = None
        try:
            self._store.delete(id)
        except OperationalError as error:
            if not is_full(error):
                raise
            self._folders.remove(id)  # makes the room that it takes to delete the rows
            self._store.delete(id)
        self._folders.remove(id)

    def _run(self) -> None:
        swept = -SWEEP
        while not self._stopping.is_set():
            if time.monotonic() - swept >= SWEEP:
                swept = time.monotonic()
                self._sweep()
            job = self._next()
            if job is None:
                self._wake.wait(LOOK if self._cancelled else SWEEP / 4)
                self._wake.clear()
                self._cancelled.clear()
                continue
            self._run_one(job)

    def _next(self) -> JobRecord | None:
        try:
            id = self._store.next_queued()
            if id is None or not self._store.move(id, ("queued",), "running"):
                return None
            return self._store.find(id)
        except OperationalError as error:  # a full disk; it is tried again
            log.warning("the database cannot be changed: %s", error)
            return None

    def _sweep(self) -> None:
        with suppress(OperationalError):
            for id in self._store.older(time.time() - self._keep_seconds):
                log.info("job %s is deleted: its time is over", id)
                self.delete(id)

    def _run_one(self, job: JobRecord) -> None:
        log.info("job %s begins: %d photographs, %d of them done", job.id, job.total, job.done)
        try:
            with asking(lambda: self._check(job.id)):
                self._embed(job)
                self._answer(job)
        except (_Interrupted, CancelledError):
            log.info("job %s is interrupted", job.id)
        except Exception as error:  # noqa: BLE001  # whatever it is ends this job and not those behind it
            if job.id in self._cancelled:  # its folder may be gone already
                log.info("job %s is interrupted", job.id)
            else:
                self._fail(job.id, _reason(job.id, error))
        finally:
            self._pace.pop(job.id, None)
            self._cancelled.discard(job.id)

    def _fail(self, id: str, reason: str) -> None:
        log.info("job %s failed", id)
        self._failing = id, reason
        while not self._stopping.is_set():
            with suppress(OperationalError):
                self._store.move(id, ("running",), "failed", reason)
                break
            self._stopping.wait(1)  # the disk is full: not even that can be written yet
        self._failing = None

    def _embed(self, job: JobRecord) -> None:
        """Write an embedding or a reason for each photograph that waits."""
        classifier = self._classifiers.find(job.request)
        views = classifier.views
        self._store.begin(job.id, f"{classifier.encoder.fingerprint}/{views}")
        pace = self._pace[job.id] = _Pace(time.monotonic())
        for found in self._embedded(job.id, views):
            self._store.write(job.id, found)
            pace.done += len(found)

    def _embedded(self, id: str, views: int) -> Iterator[list[Embedded]]:
        """What becomes of the photographs that wait, batch by batch.

        Which photographs are a batch depends on their numbers alone, so that rows are the same to the last digit
        however often the job is interrupted.
        """
        decoding: deque[_Batch] = deque()
        embedding: deque[_Batch] = deque()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="zsderm-read")
        try:
            for _, batch in groupby(self._store.waiting(id), lambda one: one.number // self._batch_size):
                decoding.append(_Batch([(one, pool.submit(self._read, id, one)) for one in batch]))
                if len(decoding) > AHEAD:
                    embedding.append(self._let_in(id, decoding.popleft(), views))
                if len(embedding) > 1:
                    yield self._finished(id, embedding.popleft())
            while decoding or embedding:
                if decoding:
                    embedding.append(self._let_in(id, decoding.popleft(), views))
                if len(embedding) > 1 or not decoding:
                    yield self._finished(id, embedding.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for row in (row for batch in embedding for row in batch.rows.values()):
                row.cancel()

    def _read(self, id: str, photograph: PhotographRecord) -> tuple[tuple[int, int], torch.Tensor]:
        """Decode a photograph, and keep its preview.

        Returns:
            Its size, and (3, H, W) float32.

        Raises:
            ImageError: it cannot be read.
            OSError: the preview cannot be written.
        """
        self._check(id)
        encoder = self._engine.encoder
        picture = self._pictures.read(
            self._folders.originals(id) / photograph.file, at_least=encoder.card.decoded_side, side=PREVIEW_SIDE
        )
        assert picture.pixels is not None
        self._folders.preview(id, photograph.number).write_bytes(picture.preview)
        return picture.size, encoder.preprocess(picture.pixels)

    def _let_in(self, id: str, batch: _Batch, views: int) -> _Batch:
        """Give the model those photographs of a batch that could be read."""
        pixels = {}
        for photograph, begun in batch.photographs:
            try:
                batch.sizes[photograph.number], pixels[photograph.number] = self._result(id, begun)
            except ImageError as error:
                self._check(id)  # a process that is ended decodes nothing
                batch.errors[photograph.number] = str(error)
        rows = self._engine.submit_batch(list(pixels.values()), views)
        batch.rows.update(zip(pixels, rows, strict=True))
        return batch

    def _finished(self, id: str, batch: _Batch) -> list[Embedded]:
        """What became of a batch, once the model has seen it."""
        found = []
        for number, size in batch.sizes.items():
            try:
                row = np.asarray(self._result(id, batch.rows[number]), np.float32).tobytes()
                found.append(Embedded(number, row, size=size))
            except ImageError as error:
                found.append(Embedded(number, None, str(error), size))
        return [*found, *(Embedded(number, None, error) for number, error in batch.errors.items())]

    def _result(self, id: str, begun: Future[T]) -> T:
        while not begun.done():
            self._check(id)
            wait([begun], LOOK)
        return begun.result()

    def _check(self, id: str) -> None:
        if self._stopping.is_set() or id in self._cancelled:
            raise _Interrupted

    def _answer(self, job: JobRecord) -> None:
        predictions = self.predictions(job)
        self._results.write_tables(job, predictions)
        answers = [answer.model_dump_json(by_alias=True) for answer in answers_of(predictions, job.request.top_k)]
        if self._store.finish(job.id, facts_of(predictions), answers):
            log.info("job %s is done", job.id)
        elif self._store.find(job.id) is None:  # deleted while its tables were written
            self._folders.remove(job.id)

    def predictions(self, job: JobRecord) -> Predictions:
        """The answers of a job whose photographs are embedded; the same embeddings give the same answers.

        Raises:
            ZsdermError: see `Classifiers.answer`.
        """
        self._classifiers.find(job.request)  # which may take a while, and nobody is to wait below for that
        with self._answering:
            if self._last is None or self._last[0] != (job.id, job.total):
                names, blobs, errors = zip(*self._store.embeddings(job.id), strict=True)
                rows = [None if blob is None else np.frombuffer(blob, np.float32) for blob in blobs]
                answered = self._classifiers.answer(job.request, names, rows, errors)
                self._last = (job.id, job.total), answered
            return self._last[1]


def _reason(id: str, error: Exception) -> str:
    """Why a job failed, in a sentence."""
    if is_full(error):
        return FULL
    if isinstance(error, ZsdermError):
        return str(error)
    log.error("job %s ends with a defect: %s", id, where(error))
    if isinstance(error, OSError | OperationalError):
        return f"a file or the database of the service cannot be read or written ({type(error).__name__})"
    return f"the service has a defect ({type(error).__name__}); its log names the lines of code"
