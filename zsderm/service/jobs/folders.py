"""The folder of a job, with its photographs under random names or numbers."""

from __future__ import annotations

import shutil
from pathlib import Path


class JobFolders:
    """The folders of all jobs.

    Args:
        root: the folder with one folder for each job; created if it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def make(self, job: str) -> None:
        """Create the folders of a new job."""
        for part in ("originals", "previews", "heat", "results"):
            (self._root / job / part).mkdir(parents=True, exist_ok=True, mode=0o700)

    def originals(self, job: str) -> Path:
        """The folder with the photographs as they were sent, under random names."""
        return self._root / job / "originals"

    def preview(self, job: str, number: int) -> Path:
        """The file with the preview of a photograph."""
        return self._root / job / "previews" / f"{number}.jpg"

    def heat(self, job: str, number: int) -> Path:
        """The file with the heat map of a photograph."""
        return self._root / job / "heat" / f"{number}.png"

    def result(self, job: str, kind: str) -> Path:
        """The file with a table or the report; the kind is its suffix, such as csv or html."""
        return self._root / job / "results" / f"predictions.{kind}"

    def remove(self, job: str) -> None:
        """Delete all files of a job."""
        shutil.rmtree(self._root / job, ignore_errors=True)

    def remove_strangers(self, known: set[str]) -> None:
        """Delete folders without a job, such as one whose deletion was interrupted."""
        for folder in self._root.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
