"""The record of a calibration: temperature, thresholds, and which predictions they belong to; kept as JSON.

Letters: N images, C classes.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zsderm.arrays import check_positive
from zsderm.atomic_files import atomic_file
from zsderm.calibration.abstention import AbstentionThreshold
from zsderm.calibration.conformal import ConformalThresholds
from zsderm.calibration.photographs import LENGTH, photograph_digests
from zsderm.config import HOME_PRIOR
from zsderm.errors import FallbackWarning, SettingsError
from zsderm.predictions import Predictions
from zsderm.stored_json import check_kind, checksum_of, fields_of, read_json_file

VERSION = 1  # of the dictionary; another number is refused
# Those that change what a probability means. The names of the classes are in the digest of the class texts.
SETTINGS = ("retrieval", "k", "name_weight", "centre", "views", "min_images", "proxy_temperature")
TEMPERATURE = "temperature"
SENTENCES, CLASS_TEXTS = "sentences", "class_texts"  # digests of the class texts: as they come, and in any order
SMOOTH, SMOOTH_NEIGHBOURS = "smooth", "smooth_neighbours"  # gamma, 0 where nothing was smoothed; then no neighbours
CHECKSUM = "checksum"
UNUSED = "none"  # the prior of predictions that rest on none
_DECIDED_TOGETHER = ("method", "prior")
# What `prediction_settings` may say, and of which kind.
MADE_WITH = {
    "encoder": "str",
    "encoder_temperature": "float",
    SENTENCES: "str | None",
    CLASS_TEXTS: "str | None",
    "method": "str",
    "fitted": "str | None",
    TEMPERATURE: "float | None",
    "retrieval": "str",
    "k": "int",
    "name_weight": "float",
    "centre": "bool",
    "views": "int",
    "min_images": "int",
    "proxy_temperature": "float",
    SMOOTH: "float",
    SMOOTH_NEIGHBOURS: "int",
    "prior": "a word, or a share for each class",  # checked by itself
    HOME_PRIOR: "str",  # a digest of what that prior takes off
}


@dataclass(frozen=True)
class Calibration:
    """What was learned from labelled images: how sure to be, which classes to list, when to say nothing."""

    temperature: float  # log probabilities are divided by it; 1 changes nothing, above 1 is less sure
    conformal: ConformalThresholds | None = None  # None: no sets were asked for
    abstention: AbstentionThreshold | None = None  # None: no answer is withheld
    n: int = 0  # labelled images
    source: str = ""  # where the labels came from, and what made the probabilities
    classes: tuple[str, ...] = ()  # C names in the order of the columns; empty: not recorded
    made_with: Mapping[str, Any] = field(default_factory=dict)  # from `prediction_settings`; empty: not recorded
    photographs: tuple[str, ...] | None = None  # digests of their files, sorted; None: not recorded

    def __post_init__(self) -> None:
        """Refuse a temperature that is none."""
        check_positive(temperature=self.temperature)

    def in_order_of(self, classes: Sequence[str]) -> Calibration:
        """The same calibration for the same classes in the order that is used.

        Raises:
            SettingsError: another name; or another order, where the record is too old for that.
        """
        if not self.classes or tuple(classes) == self.classes:
            return self
        if sorted(classes) != sorted(self.classes):
            raise SettingsError(
                f"Expected the classes of the calibration ({', '.join(self.classes)}), "
                f"but got {', '.join(classes)}. Calibrate again with the class list that is used."
            )
        if self.made_with.get(SENTENCES) and CLASS_TEXTS not in self.made_with:
            raise SettingsError(
                f"Expected the classes in the order of the calibration ({', '.join(self.classes)}), but got "
                f"{', '.join(classes)}. Give them in that order, or calibrate again: then any order will do."
            )
        places = [self.classes.index(name) for name in classes]
        return replace(
            self,
            classes=tuple(classes),
            conformal=self.conformal and self.conformal.of_classes(places),
            made_with={name: value for name, value in self.made_with.items() if name != SENTENCES},
        )

    def check_settings(self, found: Mapping[str, Any]) -> None:
        """Refuse predictions that were not made as those that were calibrated.

        Args:
            found: their `prediction_settings`. Temperatures may differ: see `temperature_for`.

        Raises:
            SettingsError: another encoder, class texts, method, prior, setting or fit.

        Warns:
            FallbackWarning: a record of an older version, which does not say its prior.
        """
        older = {"views": 1, SMOOTH: 0.0}  # what records say that know of neither
        before = {**older, **self.made_with} if self.made_with else {}
        if before and "prior" in found and "prior" not in before and found["prior"] != UNUSED:
            warnings.warn(
                f"The calibration does not say which prior it was made under, and these predictions were made under "
                f"{found['prior']!r:.60}: under another one it does not hold. Calibrate again, and it is checked.",
                FallbackWarning,
                stacklevel=3,
            )
        known = [name for name in before if name != TEMPERATURE and name in found]
        other = [name for name in known if found[name] != before[name]]
        if other:
            # A refused prior changes the method as well, so one of the two alone would not tell what happened.
            told = [name for name in other if name in _DECIDED_TOGETHER] if other[0] in _DECIDED_TOGETHER else other[:1]
            before_said, now_said = (" and ".join(_said(name, made[name]) for name in told) for made in (before, found))
            raise SettingsError(
                f"Expected predictions made as those that were calibrated, with {before_said}, but these were made "
                f"with {now_said}. Use the same settings, or fit once and calibrate that."
            )

    def temperature_for(self, found: Mapping[str, Any]) -> float:
        """What log probabilities are divided by.

        Two folders without a fit have slightly different temperatures, chosen without labels; that is undone here.

        Args:
            found: the `prediction_settings` of what is to be calibrated.
        """
        before, now = self.made_with.get(TEMPERATURE), found.get(TEMPERATURE)
        return self.temperature * (before / now if before and now else 1.0)

    def learned_from(self, images: Sequence[str]) -> int | None:
        """How many of N images, by the names of their files, it was learned from; None where that is not recorded."""
        if self.photographs is None:
            return None
        own = set(self.photographs)
        return sum(digest in own for digest in photograph_digests(images))

    def to_dict(self) -> dict[str, Any]:
        """The record, ready for JSON."""
        return {
            "version": VERSION,
            "temperature": self.temperature,
            "conformal": self.conformal and self.conformal.to_dict(),
            "abstention": self.abstention and self.abstention.to_dict(),
            "n": self.n,
            "source": self.source,
            "classes": list(self.classes),
            "made_with": dict(self.made_with),
            "photographs": None if self.photographs is None else list(self.photographs),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Calibration:
        """What `to_dict` wrote, checked.

        Raises:
            SettingsError: another version, or fields that are missing or mean nothing.
        """
        if not isinstance(fields, Mapping) or fields.get("version") != VERSION or fields["version"] is True:
            found = fields.get("version") if isinstance(fields, Mapping) else type(fields).__name__
            raise SettingsError(f"Expected a calibration of version {VERSION}, but got {found!r}. Calibrate again.")
        content = {name: value for name, value in fields.items() if name not in ("version", CHECKSUM)}
        try:
            if CHECKSUM in fields and fields[CHECKSUM] != _checksum(fields):  # older records have none
                raise ValueError("it was changed after it was written: its checksum is another")
            stored = fields_of(cls, content, also=("made_with",))
            missing = [name for name in ("conformal", "abstention", "n", "source", "classes") if name not in stored]
            if missing:
                raise ValueError(f"the field {missing[0]!r} is missing")
            _check_values(stored)
        except ValueError as error:
            raise SettingsError(
                f"Expected the fields of a calibration, but one is amiss: {error}. Calibrate again."
            ) from error
        conformal, abstention = stored["conformal"], stored["abstention"]
        found = cls(
            float(stored["temperature"]),
            None if conformal is None else ConformalThresholds.from_dict(conformal),
            None if abstention is None else AbstentionThreshold.from_dict(abstention),
            stored["n"],
            stored["source"],
            tuple(stored["classes"]),
            dict(stored.get("made_with", {})),
            None if stored.get("photographs") is None else tuple(stored["photographs"]),
        )
        if found.conformal and found.classes and len(found.conformal.thresholds) != len(found.classes):
            raise SettingsError(
                f"Expected a threshold for each of {len(found.classes)} classes, but the calibration has "
                f"{len(found.conformal.thresholds)}. Calibrate again."
            )
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON; the file is replaced whole or not at all.

        Raises:
            SettingsError: a place that cannot be written.
        """
        with atomic_file(path) as draft:
            fields = self.to_dict()
            fields[CHECKSUM] = _checksum(fields)
            draft.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """What `save` wrote.

        Raises:
            SettingsError: a file that cannot be read, or holds no calibration.
        """
        try:
            fields = read_json_file(Path(path))
        except (OSError, ValueError) as error:
            raise SettingsError(f"Expected a calibration as JSON in '{path}', but cannot read it: {error}.") from error
        return cls.from_dict(fields)


def prediction_settings(predictions: Predictions) -> dict[str, Any]:
    """What a probability depends on besides the image: encoder, class texts, method, settings, fitted proxies.

    Args:
        predictions: of a classifier. Those without an encoder in their manifest, such as tables of other tools, give
            an empty dictionary.
    """
    manifest = predictions.manifest
    if not manifest.get("encoder"):
        return {}
    settings = manifest.get("settings", {})
    prior = {"prior": settings["prior"] if predictions.prior != UNUSED else UNUSED} if "prior" in settings else {}
    taken_off = (manifest.get("refinement") or {}).get(HOME_PRIOR)
    return {
        "encoder": manifest["encoder"]["fingerprint"],
        "encoder_temperature": manifest["encoder"].get("temperature", 1.0),
        SENTENCES: manifest.get(SENTENCES),
        **{name: manifest[name] for name in (CLASS_TEXTS,) if name in manifest},
        "method": predictions.method,
        **{name: settings[name] for name in SETTINGS if name in settings},
        **prior,
        **({} if taken_off is None else {HOME_PRIOR: taken_off}),
        **smoothing_settings(manifest.get("smoothing")),
        "fitted": manifest.get("fitted"),
        TEMPERATURE: manifest.get(TEMPERATURE),
    }


def smoothing_settings(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a probability depends on where it was smoothed.

    Args:
        facts: gamma and neighbours, as the manifest says under "smoothing"; None where nothing was smoothed.
    """
    return {SMOOTH: float(facts["gamma"]), SMOOTH_NEIGHBOURS: facts["neighbours"]} if facts else {SMOOTH: 0.0}


def _checksum(fields: Mapping[str, Any]) -> str:
    return checksum_of({name: value for name, value in fields.items() if name != CHECKSUM})


def _check_values(stored: Mapping[str, Any]) -> None:
    """Refuse values that no calibration has.

    Raises:
        ValueError: one of them.
    """
    if stored["n"] < 0:
        raise ValueError(f"n is {stored['n']}")
    classes, made_with = stored["classes"], stored.get("made_with", {})
    if not isinstance(classes, list | tuple) or not isinstance(made_with, Mapping):
        raise ValueError("classes are no list, or made_with no object")
    for name in classes:
        check_kind("classes", name, "str")
    digests = stored.get("photographs")
    if digests is not None and not (isinstance(digests, list | tuple) and all(map(_is_digest, digests))):
        raise ValueError("photographs are no list of digests")
    if len(set(classes)) != len(classes):
        raise ValueError("a class comes twice")
    for name, value in made_with.items():
        if name not in MADE_WITH:
            raise ValueError(f"made_with has an unknown field {name!r}")
        check_kind(name, value, MADE_WITH[name])
        if name.endswith(TEMPERATURE) and value is not None and value <= 0:
            raise ValueError(f"{name} is {value}")
    if made_with.get(SMOOTH, 0) < 0 or made_with.get(SMOOTH_NEIGHBOURS, 1) < 1:
        raise ValueError("made_with has a smoothing that is none")
    prior = made_with.get("prior", UNUSED)
    for share in prior.values() if isinstance(prior, Mapping) else ():
        check_kind("prior", share, "float")
    if not isinstance(prior, str | Mapping):
        raise ValueError(f"the prior is {prior!r:.40}")


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{LENGTH}}}", value) is not None


def _said(name: str, value: object) -> str:
    if name == "fitted":
        return f"the fitted classifier {value}" if value else "a classifier that was not fitted"
    if name == SMOOTH:
        return f"smoothing (gamma {value:g})" if value else "no smoothing"
    if name == SMOOTH_NEIGHBOURS:
        return f"smoothing over {value} neighbours"
    if name == "prior":
        return "no prior" if value == UNUSED else f"prior {value!s:.60}"
    if name == HOME_PRIOR:
        return f"training images {value} of prior home"
    return f"{'class texts' if name in (SENTENCES, CLASS_TEXTS) else name} {value}"
