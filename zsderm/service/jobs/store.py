"""The database of jobs: one SQLite file with a write-ahead log.

Committed data survive a killed process. Each change is one transaction, so that a job is never between two states.
Deleted rows are overwritten, because they contain file names.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zsderm.errors import SettingsError
from zsderm.service.jobs.records import ENDED, Embedded, JobRecord, PhotographRecord
from zsderm.service.schemas import ClassifyRequest, JobState

VERSION = 1  # of the tables; a file with another one is refused

_TABLES = """
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', created REAL NOT NULL, queued REAL,
    ended REAL, request TEXT NOT NULL, classes TEXT NOT NULL, fingerprint TEXT NOT NULL DEFAULT '',
    facts TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS photograph (
    job TEXT NOT NULL REFERENCES job ON DELETE CASCADE, number INTEGER NOT NULL, name TEXT NOT NULL,
    file TEXT NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL DEFAULT '', width INTEGER, height INTEGER,
    embedding BLOB, answer TEXT, PRIMARY KEY (job, number), UNIQUE (job, name));
CREATE TABLE IF NOT EXISTS review (
    id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES job ON DELETE CASCADE,
    number INTEGER NOT NULL, verdict TEXT NOT NULL, label TEXT NOT NULL, comment TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS review_of ON review (job, number, id);
"""
_JOB = """
SELECT job.*, count(photograph.number) AS total,
    coalesce(sum(photograph.state != 'waiting'), 0) AS done, coalesce(sum(photograph.state = 'failed'), 0) AS failed,
    (SELECT count(DISTINCT number) FROM review WHERE review.job = job.id) AS reviewed
FROM job LEFT JOIN photograph ON photograph.job = job.id
"""


class JobStore:
    """Jobs with their photographs and answers.

    Args:
        file: the database; created if it is missing, readable only by its owner, because it contains file names.

    Raises:
        SettingsError: the file is damaged, is not a job database, or is one of another version.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)  # one that an older version made; SQLite gives its log the same rights
        try:
            self._open(file)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # a disk that is full, or a lock, is no damage
                raise
            raise SettingsError(
                f"the database of jobs '{file}' cannot be read ({error}). Move it away, or choose another --data-dir."
            ) from error

    def _open(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=30)
        self._connection.row_factory = sqlite3.Row
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):  # 0: a new file
            self._connection.close()
            raise SettingsError(
                f"another version of zsderm wrote the database of jobs '{file}'. Move it away, or choose another "
                "--data-dir."
            )
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_TABLES)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all changes in the block are stored, or none."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of an SQL query."""
        with self._lock:
            return self._connection.execute(question, values).fetchall()

    def create(self, id: str, request: ClassifyRequest, classes: Sequence[str]) -> None:
        """Create a job that is open for photographs."""
        values = (id, "open", time.time(), request.model_dump_json(), json.dumps(list(classes)))
        with self.changing() as change:
            change.execute("INSERT INTO job (id, state, created, request, classes) VALUES (?, ?, ?, ?, ?)", values)

    def add(self, id: str, photographs: Iterable[tuple[str, str, str]], notes: Sequence[str] = ()) -> bool:
        """Add photographs to a job if it is open; returns whether it was.

        Args:
            id: id of the job.
            photographs: name, file and error of each; a name that already exists gets a number.
            notes: notes on the files that contained the photographs.
        """
        with self.changing() as change:
            if not change.execute("SELECT 1 FROM job WHERE id = ? AND state = 'open'", (id,)).fetchone():
                return False
            if notes:
                facts = _facts(change, id)
                facts["of_files"] = [*facts.get("of_files", []), *notes]
                change.execute("UPDATE job SET facts = ? WHERE id = ?", (json.dumps(facts), id))
            taken = {row["name"] for row in change.execute("SELECT name FROM photograph WHERE job = ?", (id,))}
            number = len(taken)
            for name, file, error in photographs:
                own = _distinct(name, taken)
                taken.add(own)
                values = (id, number, own, file, "failed" if error else "waiting", error)
                change.execute(
                    "INSERT INTO photograph (job, number, name, file, state, error) VALUES (?, ?, ?, ?, ?, ?)", values
                )
                number += 1
            return True

    def find(self, id: str) -> JobRecord | None:
        """One job; None if it does not exist."""
        found = self.rows(f"{_JOB} WHERE job.id = ? GROUP BY job.id", (id,))
        return _job(found[0]) if found else None

    def all(self) -> list[JobRecord]:
        """All jobs, the newest first."""
        return [_job(row) for row in self.rows(f"{_JOB} GROUP BY job.id ORDER BY job.created DESC")]

    def counts(self) -> dict[str, int]:
        """The number of jobs in each state."""
        found = {row["state"]: row["n"] for row in self.rows("SELECT state, count(*) AS n FROM job GROUP BY state")}
        return dict.fromkeys(("open", "queued", "running", *ENDED), 0) | found

    def next_queued(self) -> str | None:
        """The id of the job that has waited longest; None if no job waits."""
        found = self.rows("SELECT id FROM job WHERE state = 'queued' ORDER BY queued LIMIT 1")
        return found[0]["id"] if found else None

    def move(self, id: str, before: Sequence[JobState], state: JobState, reason: str = "") -> bool:
        """Change the state of a job if it is in one of the given states; returns whether it was."""
        places = ", ".join("?" * len(before))
        now = time.time()
        values = (state, reason, now if state in ENDED else None, now if state == "queued" else None, id, *before)
        with self.changing() as change:
            done = change.execute(
                "UPDATE job SET state = ?, reason = ?, ended = ?, queued = coalesce(?, queued) "
                f"WHERE id = ? AND state IN ({places})",
                values,
            )
            return done.rowcount == 1

    def queue_again(self) -> int:
        """Queue the jobs that ran when the server stopped; returns their number."""
        with self.changing() as change:
            return change.execute("UPDATE job SET state = 'queued' WHERE state = 'running'").rowcount

    def begin(self, id: str, fingerprint: str) -> None:
        """Begin to embed a job; embeddings of another encoder or of other views are deleted."""
        with self.changing() as change:
            change.execute(
                "UPDATE photograph SET state = 'waiting', embedding = NULL WHERE job = ? AND state = 'done' "
                "AND (SELECT fingerprint FROM job WHERE id = ?) != ?",
                (id, id, fingerprint),
            )
            change.execute("UPDATE job SET fingerprint = ? WHERE id = ?", (fingerprint, id))

    def waiting(self, id: str) -> list[PhotographRecord]:
        """The photographs of a job that are not embedded yet."""
        return [
            _photograph(row)
            for row in self.rows("SELECT * FROM photograph WHERE job = ? AND state = 'waiting' ORDER BY number", (id,))
        ]

    def write(self, id: str, found: Iterable[Embedded]) -> None:
        """Store the results for some photographs."""
        values = [
            ("failed" if one.row is None else "done", one.error, *(one.size or (None, None)), one.row, id, one.number)
            for one in found
        ]
        with self.changing() as change:
            change.executemany(
                "UPDATE photograph SET state = ?, error = ?, width = ?, height = ?, embedding = ? "
                "WHERE job = ? AND number = ?",
                values,
            )

    def embeddings(self, id: str) -> list[tuple[str, bytes | None, str]]:
        """Name, row and error of each photograph of a job, in their order."""
        question = "SELECT name, embedding, error FROM photograph WHERE job = ? ORDER BY number"
        return [(row["name"], row["embedding"], row["error"]) for row in self.rows(question, (id,))]

    def finish(self, id: str, facts: dict[str, Any], answers: Sequence[str]) -> bool:
        """Store the answers of a running job, as JSON; returns false if it was cancelled in the meantime."""
        with self.changing() as change:
            facts = _facts(change, id) | facts
            done = change.execute(
                "UPDATE job SET state = 'done', reason = '', ended = ?, facts = ? WHERE id = ? AND state = 'running'",
                (time.time(), json.dumps(facts), id),
            )
            if done.rowcount == 1:
                change.executemany(
                    "UPDATE photograph SET answer = ? WHERE job = ? AND number = ?",
                    [(answer, id, number) for number, answer in enumerate(answers)],
                )
            return done.rowcount == 1

    def photographs(self, id: str, offset: int = 0, limit: int = -1) -> list[PhotographRecord]:
        """Some photographs of a job, in their order."""
        question = (
            "SELECT number, name, file, state, error, width, height, answer FROM photograph WHERE job = ? "
            "AND number >= ? ORDER BY number LIMIT ?"
        )
        return [_photograph(row) for row in self.rows(question, (id, offset, limit))]

    def delete(self, id: str) -> None:
        """Delete a job and all data on its photographs, also from the write-ahead log."""
        with self.changing() as change:
            change.execute("DELETE FROM job WHERE id = ?", (id,))
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def older(self, than: float) -> list[str]:
        """The jobs that ended, or were left open, before a time."""
        return [
            row["id"]
            for row in self.rows(
                "SELECT id FROM job WHERE state NOT IN ('queued', 'running') AND coalesce(ended, created) < ?", (than,)
            )
        ]


def _facts(connection: sqlite3.Connection, id: str) -> dict[str, Any]:
    found = connection.execute("SELECT facts FROM job WHERE id = ?", (id,)).fetchone()
    return {} if found is None else json.loads(found["facts"])


def _distinct(name: str, taken: set[str]) -> str:
    own, number = name, 2
    while own in taken:
        stem, dot, suffix = name.rpartition(".")
        own = f"{stem} ({number}).{suffix}" if dot else f"{name} ({number})"
        number += 1
    return own


def _job(row: sqlite3.Row) -> JobRecord:
    return JobRecord(
        id=row["id"],
        state=row["state"],
        reason=row["reason"],
        created=row["created"],
        ended=row["ended"],
        request=ClassifyRequest.model_validate_json(row["request"]),
        classes=tuple(json.loads(row["classes"])),
        fingerprint=row["fingerprint"],
        facts=json.loads(row["facts"]),
        total=row["total"],
        done=row["done"],
        failed=row["failed"],
        reviewed=row["reviewed"],
    )


def _photograph(row: sqlite3.Row) -> PhotographRecord:
    size = None if row["width"] is None else (row["width"], row["height"])
    return PhotographRecord(row["number"], row["name"], row["file"], row["state"], row["error"], size, row["answer"])
