"""Zero-shot classification of skin photographs: an image encoder, a knowledge base, and no training.

    from zsderm import ZeroShotClassifier

    classifier = ZeroShotClassifier.from_pretrained("zsderm-mini", classes=["melanoma", "nevus"])
    predictions = classifier.predict("photos/")
    predictions.to_csv("predictions.csv")

``import zsderm`` is quick: a name is loaded when it is first used, and torch only with it.
Research software, not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from zsderm.errors import (
    AmbiguousClassError,
    AnswerError,
    CheckpointError,
    ClassListError,
    ConvergenceWarning,
    FallbackWarning,
    ImageError,
    InputError,
    MissingDependencyError,
    NotFoundError,
    PretrainingDataError,
    SettingsError,
    UnknownClassError,
    UnknownKnowledgeBaseError,
    UnknownModelError,
    WrongTypeError,
    ZsdermError,
    ZsdermWarning,
)

if TYPE_CHECKING:
    from zsderm.classifier import ZeroShotClassifier
    from zsderm.config import Settings
    from zsderm.encoders import load_encoder
    from zsderm.knowledge.base import KnowledgeBase
    from zsderm.predictions import Predictions

__version__ = "0.2.0"

__all__ = [
    "AmbiguousClassError",
    "AnswerError",
    "CheckpointError",
    "ClassListError",
    "ConvergenceWarning",
    "FallbackWarning",
    "ImageError",
    "InputError",
    "KnowledgeBase",
    "MissingDependencyError",
    "NotFoundError",
    "Predictions",
    "PretrainingDataError",
    "Settings",
    "SettingsError",
    "UnknownClassError",
    "UnknownKnowledgeBaseError",
    "UnknownModelError",
    "WrongTypeError",
    "ZeroShotClassifier",
    "ZsdermError",
    "ZsdermWarning",
    "__version__",
    "load_encoder",
]

_HOMES = {
    "KnowledgeBase": "zsderm.knowledge.base",
    "Predictions": "zsderm.predictions",
    "Settings": "zsderm.config",
    "ZeroShotClassifier": "zsderm.classifier",
    "load_encoder": "zsderm.encoders",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
