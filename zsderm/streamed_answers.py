"""From the rows of images to their answers, a stretch at a time: the one way on which every answer is made.

What is learned from all images together, and what is said of all of them, comes first, in passes over the rows; then
any stretch can be answered by itself. So the answers for a million photographs never have to be in memory at once.

Letters: N images, n of a stretch, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zsderm.batch_answers import BatchAnswers, BatchFacts, with_gaps
from zsderm.embeddings import NamedEmbeddings
from zsderm.embeddings.stored_rows import RowDigests
from zsderm.errors import SettingsError
from zsderm.file_names import printable
from zsderm.fitted import Fitted
from zsderm.given_rows import EmbeddedImages, readable_rows
from zsderm.predictions import Predictions

STRETCH = 2048  # images that are answered at a time; as many as a part of a data set of embeddings has


@dataclass(frozen=True, eq=False)
class StreamedAnswers:
    """The answers for N images, made where they are asked for.

    Attributes:
        method: makes them.
        images: N of them, embedded.
        fitted: what answers; None where no image could be read.
        facts: what is said of all images.
        regions: N regions of the body, empty where not known; None where nobody said any.
    """

    method: BatchAnswers
    images: EmbeddedImages
    fitted: Fitted | None
    facts: BatchFacts
    regions: Sequence[str] | None = None

    @classmethod
    def of(
        cls,
        method: BatchAnswers,
        images: EmbeddedImages,
        regions: Sequence[str] | None = None,
        *,
        fitted: Fitted | None = None,
        progress: bool = False,
    ) -> StreamedAnswers:
        """Learn what there is to be learned from all images.

        Args:
            method: makes the answers.
            images: N of them, embedded.
            regions: see the class.
            fitted: what was learned from these very images before; None learns it now.
            progress: show a bar on stderr while many images are refined.
        """
        fitted = fitted or method.fitted_for(readable_rows(images), progress)
        whole = method.settings.smooth > 0  # each answer is drawn to those of all others
        parts = stretches(images, max(1, len(images)) if whole else STRETCH)
        return cls(method, images, fitted, method.facts_of(parts, fitted, regions), regions)

    def __len__(self) -> int:
        """N."""
        return len(self.images)

    def part(self, start: int, stop: int, *, brief: bool = False) -> Predictions:
        """The answers for the images from `start` up to `stop`, with what is said of all images.

        Args:
            start: of the first.
            stop: of the first that is not among them.
            brief: with only one description of each answer, as tables have it, and none of the runner-up.
        """
        regions = None if self.regions is None else self.regions[start:stop]
        return self.method.part(self.images.part(start, stop), self.fitted, self.facts, regions, brief)

    def parts(self, rows: range, size: int = STRETCH) -> Iterator[Predictions]:
        """The answers for some images that follow each other, a stretch at a time, as brief as tables have them.

        Raises:
            SettingsError: they are to be smoothed, for which all of them are needed at once.
        """
        if self.method.settings.smooth > 0:
            raise SettingsError(
                "answers that are smoothed are made for all images at once, so they cannot be written in parts. Leave "
                "out the smoothing, or write one table: .csv, .jsonl or .parquet."
            )
        for start in range(rows.start, rows.stop, size):
            yield self.part(start, min(start + size, rows.stop), brief=True)

    def all(self) -> Predictions:
        """The answers for all images, in memory."""
        return self.part(0, len(self))


def digest_of(images: EmbeddedImages) -> dict[str, str]:
    """SHA-256 of all rows and of all names and reasons, the same for the same embeddings in any file."""
    digests = RowDigests()
    for batch in stretches(images):
        rows = with_gaps(batch.features.float(), batch.ok).numpy()
        names = [printable(name) for name in batch.names]
        digests.update(rows, names, [batch.errors.get(name, "") for name in batch.names])
    return digests.facts()


def stretches(images: EmbeddedImages, size: int = STRETCH) -> Iterator[NamedEmbeddings]:
    """All images in their order, a stretch at a time."""
    for start in range(0, len(images), size):
        yield images.part(start, start + size)
