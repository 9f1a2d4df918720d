"""The manifest of predictions: what they were made with, enough to repeat the run or to see what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, SupportsFloat

from zsderm.config import Settings
from zsderm.encoders.base import home_of
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.shown import ShownClasses
from zsderm.manifest_files import versions

if TYPE_CHECKING:
    from zsderm.encoders import Encoder


def prediction_manifest(
    encoder: Encoder,
    knowledge: KnowledgeBase | None,
    settings: Settings,
    prior: str | Mapping[str, SupportsFloat],
    learned: Mapping[str, Any] | None,
    names: Mapping[str, Sequence[str]],
    notes: Sequence[str],
    passed_over: Mapping[str, int] | None = None,
    shown: ShownClasses | None = None,
    undescribed: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest of one run, ready for JSON.

    Args:
        encoder: of images and texts.
        knowledge: the knowledge base of the class descriptions.
        settings: of the run.
        prior: as the user gave it.
        learned: what was learned from the images, see `Fitted.history`; None when none could be read.
        names: class -> the names that stood for it before the text tower.
        notes: sentences on what differs from what was asked for.
        passed_over: how many files of each suffix, and linked folders, were left out in the folders of images.
        shown: which classes the encoder was never shown in training; None where that is not known.
        undescribed: the classes that the knowledge base was asked for and does not describe.
    """
    asked = asdict(settings) | {"templates": settings.templates and list(settings.templates)}
    if not settings.smooth:
        del asked["smooth"]  # manifests of before there was smoothing are of the same settings
    home = home_of(encoder)
    shown_as = (
        None
        if shown is None
        else {name: list(own) for name, own in zip(shown.classes, shown.found, strict=True) if own}
    )
    shares = {} if isinstance(prior, str) else {name: float(share) for name, share in prior.items()}
    return {
        "encoder": {
            "name": encoder.card.name,
            "fingerprint": encoder.fingerprint,
            "temperature": encoder.temperature,
            "never_shown": None if shown is None else list(shown.never),
            "not_known": None if shown is None else list(shown.unclear),
            "shown_as": shown_as,
            "familiarity_threshold": None if home is None else home.threshold,
        },
        "knowledge": knowledge
        and {
            "name": knowledge.name,
            "version": knowledge.version,
            "checksum": knowledge.checksum,
            "undescribed": list(undescribed),
        },
        "names": {given: list(spoken) for given, spoken in names.items()},
        "settings": {**asked, "prior": prior if isinstance(prior, str) else shares},
        **{"temperature": None, "refinement": None, **(learned or {})},
        "versions": versions(),
        "passed_over": dict(passed_over or {}),
        "notes": list(notes),
    }
