"""A calibration that a command is given: read, and held against the classifier, before any image is embedded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsderm import ZeroShotClassifier
    from zsderm.supervised import SupervisedClassifier


def read_calibration(path: Path | None, classes: Sequence[str] | None, *, looks: bool = True) -> Any:
    """The record in a file, read before any work begins; None where none was given.

    Args:
        path: the file.
        classes: those that were given; None: none were.
        looks: whether files of photographs may be read, to tell how many of them the calibration was learned from.

    Raises:
        SettingsError: no such record, or it is of other classes than those that were given.
    """
    if path is None:
        return None
    from zsderm.calibration import Calibration

    record = Calibration.load(path)
    if classes is not None:
        record.in_order_of(classes)
    return record if looks else replace(record, photographs=None)


def check_calibration(record: Any, classifier: ZeroShotClassifier | SupervisedClassifier, *, fits: bool) -> None:
    """Refuse a calibration of another classifier before images are embedded, as far as can be told by then.

    Raises:
        SettingsError: other classes, encoder, class texts, settings or fit.
    """
    from zsderm import ZeroShotClassifier
    from zsderm.calibration.record import CLASS_TEXTS, SENTENCES, SETTINGS, smoothing_settings
    from zsderm.proxies import NEIGHBOURS

    record = record.in_order_of(classifier.classes)
    if not isinstance(classifier, ZeroShotClassifier):
        record.check_settings(
            {"encoder": classifier.fingerprint, "views": classifier.views, **smoothing_settings(None)}
        )
        return
    settings = asdict(classifier.settings)
    known: dict[str, Any] = {name: settings[name] for name in SETTINGS}
    known |= {"encoder": classifier.encoder.fingerprint, "encoder_temperature": classifier.encoder.temperature}
    known[SENTENCES], known[CLASS_TEXTS] = classifier.texts.digest, classifier.texts.digest_of(classifier.classes)
    gamma = classifier.settings.smooth
    known |= smoothing_settings({"gamma": gamma, "neighbours": NEIGHBOURS} if gamma else None)
    if not fits:
        known["fitted"] = None if classifier.fitted is None else classifier.fitted.digest
    record.check_settings(known)
