"""Where the photographs of a job lie: in one folder, under names that are random or numbers of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

RESULTS = ("csv", "jsonl", "parquet", "html")


class JobFolders:
    """The folders of all jobs.

    Args:
        root: holds one folder a job; made where it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def make(self, job: str) -> None:
        """The folders of a new job."""
        for part in ("originals", "previews", "heat", "results"):
            (self._root / job / part).mkdir(parents=True, exist_ok=True, mode=0o700)

    def originals(self, job: str) -> Path:
        """Where the photographs lie as they were sent, under random names."""
        return self._root / job / "originals"

    def preview(self, job: str, number: int) -> Path:
        """The small picture of a photograph."""
        return self._root / job / "previews" / f"{number}.jpg"

    def heat(self, job: str, number: int) -> Path:
        """The heat map of a photograph."""
        return self._root / job / "heat" / f"{number}.png"

    def result(self, job: str, kind: str) -> Path:
        """A table, or the report: one of `RESULTS`."""
        return self._root / job / "results" / f"predictions.{kind}"

    def remove(self, job: str) -> None:
        """All of a job."""
        shutil.rmtree(self._root / job, ignore_errors=True)

    def remove_strangers(self, known: set[str]) -> None:
        """Folders of no job: of one that was being deleted when the server ended."""
        for folder in self._root.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
