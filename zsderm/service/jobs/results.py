"""Tables and the report of a job, by the same writers as those of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zsderm.predictions import Predictions
from zsderm.service.jobs.folders import JobFolders
from zsderm.service.jobs.records import JobRecord

TABLES = ("csv", "jsonl", "parquet")


class JobResults:
    """Writes the results of jobs into their folders.

    Args:
        folders: of the jobs.
    """

    def __init__(self, folders: JobFolders) -> None:
        self._folders = folders

    def write_tables(self, job: JobRecord, predictions: Predictions) -> None:
        """Write one table in each format; each file appears complete or not at all.

        Raises:
            SettingsError: the disk is full.
        """
        for kind in TABLES:
            predictions.save(self._folders.result(job.id, kind), job.request.top_k)

    def table(self, job: JobRecord, kind: str) -> Path:
        """The file with a table of a finished job."""
        return self._folders.result(job.id, kind)

    def write_report(self, job: JobRecord, predictions: Predictions, true: Sequence[str]) -> Path:
        """Write the report again, with the verdicts given so far as true classes.

        Its pictures are the previews, which contain pixels and no metadata.

        Args:
            job: a finished job.
            predictions: its answers.
            true: N true classes, empty if unknown.

        Raises:
            SettingsError: the disk is full.
        """
        from zsderm.report import write_report  # takes scikit-learn, for which a service that starts need not wait

        place = {name: index for index, name in enumerate(predictions.classes)}
        known = np.array([place.get(name, -1) for name in true])  # (N,)
        path = self._folders.result(job.id, "html")
        write_report(
            predictions,
            path,
            pictures=[self._folders.preview(job.id, number) for number in range(len(predictions))],
            true=known if (known >= 0).any() else None,
            top_k=job.request.top_k,
        )
        return path
