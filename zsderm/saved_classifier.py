"""A fitted classifier as a folder: its classes and settings, what was learned, and the knowledge it used.

    classifier.json         classes, settings, prior, encoder (name and fingerprint), what was learned
    proxies.safetensors     the arrays
    knowledge/              the knowledge base as it was; missing when there was none

The encoder is not in it: it is loaded by its name and must have the fingerprint that is written down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from zsderm.atomic_files import atomic_folder
from zsderm.config import Settings
from zsderm.errors import CheckpointError, InputError
from zsderm.fitted import Fitted
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.store import write_base

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

FORMAT = 1
FACTS_FILE, ARRAYS_FILE, KNOWLEDGE_FOLDER = "classifier.json", "proxies.safetensors", "knowledge"


@dataclass(frozen=True, eq=False)
class SavedClassifier:
    """What a folder holds."""

    model: str
    fingerprint: str
    sentences: str  # digest of the class texts, into which `Fitted.kept` points
    classes: tuple[str, ...]
    settings: Settings
    prior: str | torch.Tensor
    knowledge: KnowledgeBase | None
    fitted: Fitted

    def write(self, folder: Path) -> None:
        """Write a new folder, whole or not at all.

        Raises:
            SettingsError: the place holds something already, or cannot be written.
        """
        with atomic_folder(folder) as draft:
            (draft / FACTS_FILE).write_text(json.dumps(self._facts(), indent=1) + "\n", encoding="utf-8")
            save_file(self.fitted.tensors(), draft / ARRAYS_FILE)
            if self.knowledge is not None:
                write_base(draft / KNOWLEDGE_FOLDER, self.knowledge.card, self.knowledge.diseases.values(), {})

    def check(self, encoder: Encoder, sentences: str) -> None:
        """Refuse an encoder or class texts other than those that were fitted.

        Raises:
            CheckpointError: the encoder has another fingerprint.
            InputError: this version of the library says something else of the classes.
        """
        if encoder.fingerprint != self.fingerprint:
            raise CheckpointError(
                f"the classifier was fitted with encoder {self.model} ({self.fingerprint}), but {encoder.card.name} is "
                f"{encoder.fingerprint}. Load the same weights, or fit again."
            )
        if sentences != self.sentences:
            raise InputError("the class texts have changed since the classifier was saved. Fit and save it again.")

    def _facts(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "encoder": {"name": self.model, "fingerprint": self.fingerprint},
            "knowledge": self.knowledge and self.knowledge.checksum,
            "sentences": self.sentences,
            "classes": list(self.classes),
            "settings": asdict(self.settings),
            "prior": self.prior if isinstance(self.prior, str) else self.prior.tolist(),
            "fitted": self.fitted.facts(),
        }


def read(folder: Path) -> SavedClassifier:
    """Read a folder that `SavedClassifier.write` wrote.

    Raises:
        InputError: it is not such a folder, or its parts do not belong together.
    """
    path = folder / FACTS_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        tensors = load_file(folder / ARRAYS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"'{folder}' is not a saved classifier: {error}. Expected the folder that ZeroShotClassifier.save wrote."
        ) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise InputError(f"expected {path} to be of format {FORMAT}. Save the classifier again with this version.")
    try:
        base = KnowledgeBase.load(folder / KNOWLEDGE_FOLDER) if facts["knowledge"] else None
        stored = SavedClassifier(
            model=facts["encoder"]["name"],
            fingerprint=facts["encoder"]["fingerprint"],
            sentences=facts["sentences"],
            classes=tuple(facts["classes"]),
            settings=Settings(**{"views": 1, **facts["settings"]}),  # before there were views, it was one
            prior=facts["prior"] if isinstance(facts["prior"], str) else _shares(facts["prior"]),
            knowledge=base,
            fitted=Fitted.from_parts(tensors, facts["fitted"]),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} lacks or misnames {error}. Save the classifier again with this version.") from error
    _check(folder, stored, facts)
    return stored


def _shares(stored: list[float]) -> torch.Tensor:
    return torch.tensor(stored, dtype=torch.float64)


def _check(folder: Path, stored: SavedClassifier, facts: Mapping[str, Any]) -> None:
    if stored.knowledge is not None and stored.knowledge.checksum != facts["knowledge"]:
        raise InputError(
            f"the knowledge base in '{folder}' was changed after the classifier was saved (checksum "
            f"{stored.knowledge.checksum}, expected {facts['knowledge']}). Fit and save the classifier again."
        )
    fitted, count = stored.fitted, len(stored.classes)
    shapes = [tuple(array.shape) for array in (fitted.text, fitted.proxies, fitted.centre[None], fitted.mix)]
    width = fitted.text.shape[-1]
    if shapes != [(count, width), (count, width), (1, width), (count,)]:
        raise InputError(f"the arrays in '{folder}' do not fit {count} classes. Fit and save the classifier again.")
