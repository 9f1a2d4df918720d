"""Verdicts of readers on answers: agree, correct to another class, or cannot tell, with a comment; each can be undone.

Nothing is overwritten: each verdict is a row, the latest row counts, and undoing removes the latest row.
"""

from __future__ import annotations

import time
from io import StringIO

from zsderm.csv_files import CsvRows
from zsderm.errors import InputError, did_you_mean
from zsderm.service.jobs.records import PhotographRecord, ReviewRecord
from zsderm.service.jobs.store import JobStore
from zsderm.service.schemas import Answer, ReviewRequest

COLUMNS = ("image", "true_label", "verdict", "comment")  # of labels.csv


class Reviews:
    """The verdicts on the answers of all jobs.

    Args:
        store: in whose database they are.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def add(
        self, job: str, photograph: PhotographRecord, classes: tuple[str, ...], said: ReviewRequest
    ) -> ReviewRecord:
        """Save a verdict.

        Args:
            job: its id.
            photograph: with its answer.
            classes: of the job.
            said: by the reader.

        Raises:
            InputError: agreement with a missing answer, a correction to a class that the job does not have, or a label
                with the verdict cannot_tell.
        """
        label = self._label(photograph, classes, said)
        values = (job, photograph.number, said.verdict, label, said.comment.strip(), time.time())
        with self._store.changing() as change:
            change.execute(
                "INSERT INTO review (job, number, verdict, label, comment, at) VALUES (?, ?, ?, ?, ?, ?)", values
            )
        return ReviewRecord(*values[1:])

    def _label(self, photograph: PhotographRecord, classes: tuple[str, ...], said: ReviewRequest) -> str:
        if said.verdict == "cannot_tell":
            if said.label:
                raise InputError(
                    f"expected no label with verdict 'cannot_tell', but got {said.label!r}; "
                    "use verdict 'correct' to give a label"
                )
            return ""
        if said.verdict == "correct":
            if said.label not in classes:
                hint = did_you_mean(said.label, classes) or f" There are: {', '.join(classes)}."
                raise InputError(f"expected a class of this job as label, but got {said.label!r}.{hint}")
            return said.label
        answer = None if photograph.answer is None else Answer.model_validate_json(photograph.answer)
        if answer is None or not answer.ok:
            raise InputError("there is no answer to agree with; use verdict 'correct' or 'cannot_tell'")
        if said.label not in ("", answer.label):
            raise InputError(
                f"expected label {answer.label!r} or none with verdict 'agree', but got {said.label!r}; use verdict "
                "'correct' for another class"
            )
        return answer.label

    def undo(self, job: str, number: int) -> ReviewRecord | None:
        """Remove the latest verdict on a photograph; the verdict that counts then, or None if there is no other."""
        with self._store.changing() as change:
            change.execute(
                "DELETE FROM review WHERE id = (SELECT max(id) FROM review WHERE job = ? AND number = ?)", (job, number)
            )
        return self.of(job).get(number)

    def of(self, job: str) -> dict[int, ReviewRecord]:
        """The verdicts that count, by the number of the photograph."""
        rows = self._store.rows(
            "SELECT number, verdict, label, comment, at FROM review WHERE id IN "
            "(SELECT max(id) FROM review WHERE job = ? GROUP BY number) ORDER BY number",
            (job,),
        )
        return {row["number"]: ReviewRecord(*row) for row in rows}

    def labels_csv(self, job: str) -> str:
        """The verdicts as a table that ``zsderm evaluate``, ``calibrate`` and the report take as --labels.

        One row for each photograph with a verdict: image, true_label (empty for cannot_tell), verdict and comment.
        """
        said, file = self.of(job), StringIO()
        table = CsvRows(file, COLUMNS)
        for photograph in self._store.photographs(job):
            if (review := said.get(photograph.number)) is not None:
                table.write((photograph.name, review.label, review.verdict, review.comment))
        return file.getvalue()
