"""What made an answer: enough to repeat the run, and to see later that something was different."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, SupportsFloat

from zsderm.config import Settings
from zsderm.knowledge.base import KnowledgeBase

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

PACKAGES = ("zsderm", "torch", "open_clip_torch", "numpy")


def prediction_manifest(
    encoder: Encoder,
    knowledge: KnowledgeBase | None,
    settings: Settings,
    prior: str | Mapping[str, SupportsFloat],
    learned: Mapping[str, Any] | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    """The manifest of one run, ready for JSON.

    Args:
        encoder: what embedded images and texts.
        knowledge: the base that described the classes.
        settings: of the run.
        prior: as it was asked for.
        learned: see `Fitted.history`; None when no image could be read.
        notes: what had to be done differently from what was asked.
    """
    shares = {} if isinstance(prior, str) else {name: float(share) for name, share in prior.items()}
    return {
        "encoder": {
            "name": encoder.card.name,
            "fingerprint": encoder.fingerprint,
            "temperature": encoder.temperature,
        },
        "knowledge": knowledge
        and {"name": knowledge.name, "version": knowledge.version, "checksum": knowledge.checksum},
        "settings": {**asdict(settings), "prior": prior if isinstance(prior, str) else shares},
        **{"temperature": None, "refinement": None, **(learned or {})},
        "versions": {**{name: version(name) for name in PACKAGES}, "python": platform.python_version()},
        "notes": list(notes),
    }
