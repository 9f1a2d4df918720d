"""A fitted classifier as a folder: its classes and settings, what was learned, and the knowledge it used.

    classifier.json         classes, settings, prior, encoder (name and fingerprint), what was learned
    proxies.safetensors     the arrays
    knowledge/              the knowledge base as it was; missing when there was none

The encoder is not in it: it is loaded by its name and must have the fingerprint that is written down. What is in it has
checksums, so that a damaged file, or one of another run, is noticed.
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
from zsderm.config import HOME_PRIOR, Settings
from zsderm.encoders import load_encoder
from zsderm.encoders.base import FOLDER_PREFIX, HUB_PREFIX
from zsderm.errors import CheckpointError, InputError
from zsderm.fitted import Fitted
from zsderm.knowledge import library
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.store import write_base
from zsderm.stored_json import check_kind, check_numbers, checksum_of, fields_of, file_sha256, read_json_file

if TYPE_CHECKING:
    from zsderm.class_texts import ClassTexts
    from zsderm.encoders import Encoder

FORMAT = 1
FACTS = ("format", "encoder", "knowledge", "sentences", "classes", "settings", "prior", "fitted")
CHECKSUMS = ("files", "checksum")
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
            save_file(self.fitted.tensors(), draft / ARRAYS_FILE)
            if self.knowledge is not None:
                base = self.knowledge
                write_base(draft / KNOWLEDGE_FOLDER, base.card, base.diseases.values(), {}, base.reported)
            facts = self._facts() | {"files": _digests(draft)}
            facts["checksum"] = checksum_of(facts)
            (draft / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def check(self, encoder: Encoder, texts: ClassTexts) -> None:
        """Refuse an encoder or class texts other than those that were fitted.

        Raises:
            CheckpointError: the encoder has another fingerprint.
            InputError: this version of the library says something else of the classes, or what was learned belongs to
                other class texts.
        """
        if encoder.fingerprint != self.fingerprint:
            raise CheckpointError(
                f"the classifier was fitted with encoder {self.model} ({self.fingerprint}), but {encoder.card.name} is "
                f"{encoder.fingerprint}. Load the same weights, or fit again."
            )
        if texts.digest != self.sentences:
            raise InputError("the class texts have changed since the classifier was saved. Fit and save it again.")
        try:
            self.fitted.check_texts(texts.class_of, encoder.card.width)
        except ValueError as error:
            raise InputError(f"what the classifier has learned is damaged: {error}. Fit and save it again.") from error

    def knowledge_note(self) -> str:
        """A sentence where it holds another version of a bundled knowledge base than is installed, else nothing."""
        held = self.knowledge
        if held is None or held.name not in (bundled := library.bundled()):
            return ""
        now = library.read_card(bundled[held.name]).get("version")  # its diseases are not needed, and take time
        if held.version == now:
            return ""
        return (
            f"the fitted classifier answers with the sentences of knowledge base {held.name!r} {held.version}, which "
            f"its folder holds; installed is {now}. To use that one, fit again."
        )

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
        facts = read_json_file(path)
        arrays = folder / ARRAYS_FILE
        if not arrays.is_file():
            raise ValueError(f"it holds no {ARRAYS_FILE}")
        tensors = load_file(arrays)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"'{folder}' is not a saved classifier: {error}. Expected the folder that ZeroShotClassifier.save wrote."
        ) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or facts["format"] is True:
        raise InputError(f"expected {path} to be of format {FORMAT}. Save the classifier again with this version.")
    try:
        _check_facts(folder, facts)
        settings = fields_of(Settings, {"views": 1, **facts["settings"]})  # before there were views, it was one
        fitted = Fitted.from_parts(tensors, facts["fitted"])
        prior = facts["prior"]
        if (prior == HOME_PRIOR) != (fitted.prior == HOME_PRIOR) and settings["method"] == "kpl":
            raise ValueError(f"it says prior {prior!r:.40} and prior {fitted.prior!r}")
        if not isinstance(prior, str):
            prior = torch.tensor(check_numbers("prior", prior, len(facts["classes"]), least=0), dtype=torch.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"'{folder}' was damaged or changed after the classifier was saved: {error}. Fit and save it again."
        ) from error
    count = len(facts["classes"])
    if len(fitted.text) != count:
        raise InputError(f"the arrays in '{folder}' do not fit {count} classes. Fit and save the classifier again.")
    return SavedClassifier(
        model=facts["encoder"]["name"],
        fingerprint=facts["encoder"]["fingerprint"],
        sentences=facts["sentences"],
        classes=tuple(facts["classes"]),
        settings=Settings(**settings),
        prior=prior,
        knowledge=_knowledge(folder, facts["knowledge"]),
        fitted=fitted,
    )


def cached_encoder(saved: SavedClassifier, device: str | torch.device | None) -> Encoder | None:
    """The encoder of a classifier whose encoder is of the hub, from the cache: a folder may name any repository.

    Args:
        saved: what a folder holds.
        device: see `load_encoder`.

    Returns:
        The encoder; None where it is the bundled one or a folder, for which nobody would be asked.

    Raises:
        UnknownModelError, CheckpointError: it is not in the cache, or cannot be loaded.
    """
    name = saved.model
    if not name.startswith(HUB_PREFIX) and ("/" not in name or name.startswith(FOLDER_PREFIX) or Path(name).exists()):
        return None
    try:
        return load_encoder(name, device, download=False)
    except CheckpointError as error:
        raise CheckpointError(
            f"the classifier was fitted with encoder '{name}', which is not fetched because a file asks for it: "
            f"{error}. To let it be fetched, name it: --model {name}"
        ) from error


def _check_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Refuse facts of another kind than `SavedClassifier.write` writes, and files other than those it wrote.

    Raises:
        ValueError: they are.
        OSError: a file cannot be read.
    """
    if strange := sorted(facts.keys() - {*FACTS, *CHECKSUMS}):
        raise ValueError(f"there is no field {strange[0]!r}")
    if missing := [name for name in FACTS if name not in facts]:
        raise ValueError(f"the field {missing[0]!r} is missing")
    if any(name in facts for name in CHECKSUMS):  # folders of older versions have none
        if facts.get("checksum") != checksum_of({name: facts[name] for name in facts if name != "checksum"}):
            raise ValueError(f"{FACTS_FILE} does not have its checksum")
        if facts.get("files") != _digests(folder):
            raise ValueError("another of its files does not have its checksum")
    check_kind("sentences", facts["sentences"], "str")
    for name in ("name", "fingerprint"):
        check_kind(f"encoder.{name}", facts["encoder"][name], "str")
    if facts["knowledge"] is not None:
        check_kind("knowledge", facts["knowledge"], "str")
    for name in facts["classes"] if isinstance(facts["classes"], list) else [facts["classes"]]:
        check_kind("classes", name, "str")
    if not isinstance(facts["classes"], list) or not isinstance(facts["settings"], dict):
        raise ValueError("its classes are no list, or its settings no object")


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the arrays and of the knowledge base, by their place in the folder."""
    files = [folder / ARRAYS_FILE, *sorted((folder / KNOWLEDGE_FOLDER).rglob("*"))]
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files if path.is_file()}


def _knowledge(folder: Path, checksum: str | None) -> KnowledgeBase | None:
    """The knowledge base as it was.

    Raises:
        InputError: it is missing, or has another checksum.
    """
    if checksum is None:
        return None
    base = KnowledgeBase.load(folder / KNOWLEDGE_FOLDER)
    if not base.has_checksum(checksum):
        raise InputError(
            f"the knowledge base in '{folder}' was changed after the classifier was saved (checksum "
            f"{base.checksum}, expected {checksum}). Fit and save the classifier again."
        )
    return base
