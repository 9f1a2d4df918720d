"""Which diagnoses an encoder was shown by the end of a run: those of its images, and those of where it started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zsderm import KnowledgeBase
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.model.start import IMAGE_STARTS, open_clip_checkpoint


def shown_in_training(
    config: TrainConfig, records: Sequence[Record], knowledge: KnowledgeBase
) -> tuple[str, ...] | None:
    """The diagnoses that an encoder will have been shown, by their names in the knowledge base.

    Args:
        config: says what the run starts from.
        records: its images.
        knowledge: knows their labels.

    Returns:
        None where that is not known: there are images with captions and without a label, or the run starts from a
        checkpoint whose card does not list its own.
    """
    if any(record.case is None for record in records):
        return None
    labels = {record.case.label for record in records if record.case}
    starts = [config.start] if config.start else [config.image_start] if config.image_start not in IMAGE_STARTS else []
    return union([[knowledge.find(label).name for label in labels], *(_of(start) for start in starts)])


def union(parts: Iterable[Sequence[str] | None]) -> tuple[str, ...] | None:
    """All names of several lists, sorted; None where one of the lists is not known."""
    found: set[str] = set()
    for part in parts:
        if part is None:
            return None
        found.update(part)
    return tuple(sorted(found)) or None


def _of(start: str) -> tuple[str, ...] | None:
    return open_clip_checkpoint(start).card.diagnoses
