"""The objects that live as long as the application: model, queue, decoder processes and jobs."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zsderm.calibration import Calibration
from zsderm.classifier import ZeroShotClassifier
from zsderm.encoders import load_encoder
from zsderm.errors import ImageError, SettingsError
from zsderm.knowledge import KnowledgeBase
from zsderm.service.answers import Classifiers
from zsderm.service.asking import expect_asker
from zsderm.service.contents import Contents
from zsderm.service.engine import Engine, FullError, Row
from zsderm.service.jobs.folders import JobFolders
from zsderm.service.jobs.results import JobResults
from zsderm.service.jobs.runner import JobRunner
from zsderm.service.jobs.store import JobStore
from zsderm.service.metrics import Metrics
from zsderm.service.pictures import Pictures
from zsderm.service.problems import busy
from zsderm.service.review import Reviews
from zsderm.service.settings import ServiceSettings
from zsderm.service.uploads import Upload

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Read:
    """One photograph of a request: a row, or a reason."""

    name: str
    row: np.ndarray | None  # (D,) float32 of unit length
    error: str = ""


@dataclass(frozen=True, eq=False)
class Service:
    """All parts of a running service; created by `start`."""

    settings: ServiceSettings
    metrics: Metrics
    pictures: Pictures
    contents: Contents
    engine: Engine
    classifiers: Classifiers
    store: JobStore
    folders: JobFolders
    results: JobResults
    runner: JobRunner
    reviews: Reviews
    knowledge: KnowledgeBase | None
    readers: ThreadPoolExecutor  # threads that wait for decoders on behalf of requests
    lock: int | None  # holds the folder for this process alone

    @classmethod
    def start(cls, settings: ServiceSettings) -> Service:
        """Load the model, open the jobs, and go on with those that were interrupted.

        Raises:
            ZsdermError: model, knowledge base, calibration or folder cannot be used.
        """
        folder = settings.data_dir
        lock = _taken(folder)
        metrics = Metrics()
        knowledge = None if settings.knowledge is None else KnowledgeBase.load(settings.knowledge)
        fitted = None
        if settings.fitted is not None:
            fitted = ZeroShotClassifier.load(settings.fitted, device=settings.device)
            knowledge = fitted.knowledge
        encoder = load_encoder(settings.model, settings.device) if fitted is None else fitted.encoder
        calibration = None if settings.calibration is None else Calibration.load(settings.calibration)
        shutil.rmtree(folder / "uploads", ignore_errors=True)  # of requests that nobody waits for any more
        (folder / "uploads").mkdir(mode=0o700)
        store, folders = JobStore(folder / "jobs.sqlite"), JobFolders(folder / "jobs")
        folders.remove_strangers({job.id for job in store.all()})
        pictures = Pictures(
            settings.decoders,
            settings.decoder_memory,
            settings.decoder_seconds,
            settings.max_pixels,
            died=metrics.decoder_deaths.inc,
        )
        contents = Contents(
            pictures, settings.max_unpacked_bytes, settings.max_file_bytes, max_members=settings.max_job_files
        )
        engine = Engine(encoder, settings.batch_size, settings.queue, ran=lambda count: metrics.batches.inc())
        classifiers, results = Classifiers(encoder, knowledge, fitted, calibration), JobResults(folders)
        runner = JobRunner(
            store,
            folders,
            pictures,
            engine,
            classifiers,
            results,
            batch_size=settings.batch_size,
            keep_hours=settings.keep_hours,
            workers=settings.decoders,
        )
        metrics.watch(lambda: engine.waiting, store.counts)
        runner.start()
        reviews = Reviews(store)
        return cls(
            settings,
            metrics,
            pictures,
            contents,
            engine,
            classifiers,
            store,
            folders,
            results,
            runner,
            reviews,
            knowledge,
            ThreadPoolExecutor(settings.decoders, thread_name_prefix="zsderm-request"),
            lock,
        )

    def end(self) -> None:
        """Begin to stop: start no long work; a running job keeps its progress and continues at the next start."""
        self.runner.end()
        self.classifiers.texts.end()

    def stop(self) -> None:
        """Stop, and wait until everything has stopped."""
        self.end()
        self.runner.stop()
        self.readers.shutdown(cancel_futures=True)
        self.engine.stop()
        self.pictures.close()
        self.store.close()
        if self.lock is not None:
            os.close(self.lock)

    @contextmanager
    def upload_folder(self) -> Iterator[Path]:
        """A folder with a random name for the photographs of one request; it is deleted after the block."""
        folder = Path(tempfile.mkdtemp(dir=self.settings.data_dir / "uploads"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def let_in(self, count: int) -> None:
        """Reserve places in the queue.

        Raises:
            ProblemError: 503, the queue is full.
        """
        try:
            self.engine.let_in(count)
        except FullError as error:
            raise busy(error.seconds) from error

    def read(self, uploads: list[Upload], views: int) -> list[Read]:
        """Embed the photographs of a request that has reserved places; a photograph that cannot be read gets a reason.

        Args:
            uploads: N files.
            views: of each photograph.
        """
        begun = self._all_begun(uploads, views)
        found = []
        for upload, row in zip(uploads, begun, strict=True):
            error = row if isinstance(row, str) else ""
            try:
                found.append(Read(upload.name, None if isinstance(row, str) else row.result(), error))
            except ImageError as reason:
                found.append(Read(upload.name, None, str(reason)))
        failed = sum(one.row is None for one in found)
        self.metrics.photographs.labels("failed").inc(failed)
        self.metrics.photographs.labels("embedded").inc(len(found) - failed)
        return found

    def _all_begun(self, uploads: list[Upload], views: int) -> list[Row | str]:
        """See `_begin`. A few at a time, so that requests take turns with the decoders as they do with the model."""
        asker, begun = object(), []
        ahead: deque[Future[Row | str]] = deque()
        try:
            for upload in uploads:
                if len(ahead) == 2 * self.settings.decoders:
                    begun.append(ahead[0].result())
                    ahead.popleft()
                expect_asker()
                ahead.append(self.readers.submit(self._begin, upload, views, asker))
            while ahead:
                begun.append(ahead[0].result())
                ahead.popleft()
        except BaseException:
            never = sum(one.cancel() for one in ahead)
            self.engine.leave(len(uploads) - len(begun) - len(ahead) + never)
            raise
        return begun

    def _begin(self, upload: Upload, views: int, asker: object) -> Row | str:
        """The row of one photograph, later, or why there is none."""
        encoder = self.engine.encoder
        try:
            if upload.error:
                raise ImageError(upload.error)
            picture = self.pictures.read(upload.file, at_least=encoder.card.decoded_side)
            assert picture.pixels is not None
            pixels = encoder.preprocess(picture.pixels)
        except BaseException as error:
            self.engine.leave(1)
            if isinstance(error, ImageError):
                return str(error)
            raise
        return self.engine.submit(pixels, views, asker)


def new_id() -> str:
    """A random id that cannot be guessed."""
    return secrets.token_urlsafe(16)


def _taken(folder: Path) -> int | None:
    """The folder, made where it is missing, and held for this process.

    Raises:
        SettingsError: it cannot be written, or another server holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsError(f"cannot write '{folder}': {error.strerror}. Choose another --data-dir.") from error
    if fcntl is not None:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(number)
            raise SettingsError(f"another zsderm serve uses '{folder}'. Choose another --data-dir.") from error
    return number
