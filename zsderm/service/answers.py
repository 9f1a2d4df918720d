"""Embeddings become answers: one classifier for each class list and method, all on one model.

Letters: N photographs, C classes, D embedding width.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from zsderm.calibration import Calibration, apply_calibration
from zsderm.classifier import ZeroShotClassifier
from zsderm.config import PRIORS
from zsderm.embeddings import NamedEmbeddings
from zsderm.errors import ClassListError, SettingsError, did_you_mean
from zsderm.harmless_text import one_line
from zsderm.knowledge.class_names import disease_of
from zsderm.narratives.joined import with_narratives
from zsderm.predictions import Evidence, Predictions
from zsderm.service.problems import busy
from zsderm.service.schemas import Answer, Classified, ClassifyRequest, Matched, Ranked, Sentence, Words
from zsderm.service.texts import SlicedTexts
from zsderm.typed_classes import checked_names, typed_names

if TYPE_CHECKING:
    from zsderm.encoders import Encoder
    from zsderm.knowledge import KnowledgeBase

MOST_CLASSES = 400  # of one request: more than a knowledge base has, and a minute or two of one processor
KEPT = 16  # class lists whose sentences stay embedded
READ_AT_ONCE = 16  # requests that may wait for new class lists; each of them holds a thread
LOOK = 0.2  # seconds between looks at whether somebody still waits
AGAIN = 10  # seconds after which it is worth asking again


class Classifiers:
    """Classifiers by class list and method, created at their first use.

    Args:
        encoder: shared by all classifiers.
        knowledge: knowledge base; None for templates only.
        fitted: a fitted classifier; if given, it is the only one.
        calibration: applied to requests with its classes; None for no calibration.
    """

    def __init__(
        self,
        encoder: Encoder,
        knowledge: KnowledgeBase | None,
        fitted: ZeroShotClassifier | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.encoder, self.knowledge, self.fitted, self.calibration = encoder, knowledge, fitted, calibration
        self.texts = SlicedTexts(encoder)
        self._known: OrderedDict[str, ZeroShotClassifier] = OrderedDict()
        self._making: dict[str, threading.Event] = {}  # class lists that are being read, by key
        self._changing = threading.Lock()  # of these two; never held for long
        self._places = threading.Semaphore(READ_AT_ONCE)
        self._telling = threading.Lock()  # of the model that reads narratives

    def classes_of(self, request: ClassifyRequest) -> tuple[str, ...]:
        """The classes that a request names.

        Raises:
            ClassListError: more than `MOST_CLASSES` classes, a name with control characters, or see
                `zsderm.typed_classes.checked_names`.
            SettingsError: other classes than those of the fitted classifier.
        """
        if self.fitted is None:
            names = harmless_names(typed_names(request.classes))
            if len(names) > MOST_CLASSES:
                raise ClassListError(f"expected at most {MOST_CLASSES} classes in one request, but got {len(names)}")
            return checked_names(names, request.classes)
        if request.classes and set(typed_names(request.classes)) != set(self.fitted.classes):
            raise SettingsError(
                f"this service uses a fitted classifier with the classes {', '.join(self.fitted.classes)}; "
                "leave out `classes`"
            )
        return self.fitted.classes

    def views_of(self, request: ClassifyRequest) -> int:
        """How many views of each photograph are averaged, without reading any sentence."""
        return request.views or (self.encoder.card.views if self.fitted is None else self.fitted.views)

    def check(self, request: ClassifyRequest) -> None:
        """Check a request before any photograph is read.

        Raises:
            SettingsError: a narrative is given, but no knowledge base is loaded.
            ZsdermError: see `find`.
        """
        if request.narrative and self.knowledge is None:
            raise SettingsError("a narrative needs a knowledge base, but none is loaded; leave out `narrative`")
        if self.fitted is not None or self._kept(_key(request, self.classes_of(request))) is not None:
            self.find(request)
            return
        if not self._places.acquire(blocking=False):
            raise busy(AGAIN, "new class lists")
        try:
            self.find(request)
        finally:
            self._places.release()

    def find(self, request: ClassifyRequest) -> ZeroShotClassifier:
        """The classifier for a request, with embedded sentences; requests with the same new class list share the work.

        Raises:
            ZsdermError: classes or settings cannot be used, with the message of the command line.
            Exception: the client disconnected, or the service is stopping; see `SlicedTexts.expect`.
        """
        classes, prior = self.classes_of(request), prior_of(request)
        if self.fitted is not None:
            if request.views not in (None, self.fitted.views):
                raise SettingsError(f"the fitted classifier averages {self.fitted.views} views; leave out `views`")
            return self.fitted
        key = _key(request, classes)
        while True:
            if (kept := self._kept(key)) is not None:
                return kept
            with self._changing:
                other = self._making.get(key)
                if other is None:
                    self._making[key] = made_here = threading.Event()
            if other is None:
                break
            while not other.wait(LOOK):
                self.texts.expect()
        try:
            made = self._made(request, classes, prior)
            with self._changing:
                self._known[key] = made
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
            return made
        finally:
            with self._changing:
                del self._making[key]
            made_here.set()

    def _kept(self, key: str) -> ZeroShotClassifier | None:
        with self._changing:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def _made(
        self, request: ClassifyRequest, classes: Sequence[str], prior: str | dict[str, float]
    ) -> ZeroShotClassifier:
        made = ZeroShotClassifier.from_pretrained(
            cast("Encoder", self.texts),
            classes=classes,
            knowledge=self.knowledge,
            method=request.method,
            prior=prior,
            views=request.views,
            modality=request.modality,
        )
        for name in classes:  # looked for one by one beforehand: what is like an unknown name takes a while to find
            self.texts.expect()
            disease_of(name, self.knowledge)
        _ = made.texts  # a class of which nothing can be said shows now
        made.encoder = self.encoder
        return made

    def answer(
        self,
        request: ClassifyRequest,
        names: Sequence[str],
        rows: Sequence[np.ndarray | None],
        errors: Sequence[str],
    ) -> Predictions:
        """The answers for N photographs, classified as one batch.

        Args:
            request: the settings of the classification.
            names: N distinct names.
            rows: N (D,) float32 unit rows, None if the photograph could not be read.
            errors: N reasons, empty if the photograph could be read.

        Raises:
            ZsdermError: see `find`.
        """
        classifier = self.find(request)
        ok = np.array([row is not None for row in rows], bool)  # (N,)
        read = [torch.from_numpy(np.array(row)) for row in rows if row is not None]
        features = torch.stack(read) if read else torch.empty(0, self.encoder.card.width)  # (n, D)
        reasons = {name: why for name, why, fine in zip(names, errors, ok, strict=True) if not fine}
        found = classifier.predict_embedded(NamedEmbeddings(tuple(names), features, ok, reasons))
        return self._told(request, self._calibrated(found))

    def _told(self, request: ClassifyRequest, found: Predictions) -> Predictions:
        """With what the patient tells, after the calibration, which is of photographs."""
        if not request.narrative:
            return found
        with self._telling:
            told = [request.narrative] * len(found)
            return with_narratives(found, told, self.knowledge, request.words_weight, None)

    def _calibrated(self, found: Predictions) -> Predictions:
        """With the calibration where it is for these classes and settings; a note says where it is not."""
        if self.calibration is None:
            return found
        try:
            return apply_calibration(found, self.calibration)
        except SettingsError as error:
            notes = [*found.notes, f"The calibration of this service was not applied: {error}"]
            return replace(found, manifest={**found.manifest, "notes": notes})


def harmless_names(names: list[str]) -> list[str]:
    """The names, checked for control characters and characters that change the text direction.

    Raises:
        ClassListError: a name contains such a character.
    """
    if strange := [shown for name in names if (shown := one_line(name)) != name]:
        raise ClassListError(f"expected class names without control characters, but got '{strange[0][:80]}'")
    return names


class _TwiceError(Exception):
    """A name comes twice in an object of JSON."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError(next(name for name in found if sum(name == other for other, _ in pairs) > 1)[:80])
    return found


def _key(request: ClassifyRequest, classes: Sequence[str]) -> str:
    return json.dumps([classes, request.method, request.prior, request.views, request.modality])


def prior_of(request: ClassifyRequest) -> str | dict[str, float]:
    """The prior of a request: "auto", "uniform", "home", or weights by class.

    Raises:
        SettingsError: it is none of these.
    """
    if request.prior in PRIORS:
        return request.prior
    words = ", ".join(reversed(PRIORS))
    wanted = f'expected prior to be {words} or weights as JSON, such as {{"melanoma": 1, "nevus": 9}}'
    try:
        weights = json.loads(request.prior, object_pairs_hook=_once)
        if not isinstance(weights, dict):
            raise TypeError("not an object")
        found = {str(name): float(weight) for name, weight in weights.items()}
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"{wanted}, but got {request.prior[:80]!r}.{did_you_mean(request.prior, PRIORS)}"
        ) from error
    except _TwiceError as error:
        raise SettingsError(f"{wanted}, each class once, but {str(error)!r} comes twice") from error
    if not all(math.isfinite(weight) and weight >= 0 for weight in found.values()):
        raise SettingsError(f"{wanted}, with numbers from 0")
    return found


def answers_of(predictions: Predictions, top_k: int) -> list[Answer]:
    """N answers as JSON models."""
    ranked, sets, ok = predictions.top_k(top_k), predictions.set_names, predictions.ok.tolist()
    familiarity = None if predictions.familiarity is None else predictions.familiarity.tolist()
    abstained = None if predictions.abstained is None else predictions.abstained.tolist()
    before = predictions.unrefined_labels
    found = []
    for index, image in enumerate(predictions.images):
        if not ok[index]:
            found.append(Answer(image=image, ok=False, error=predictions.errors[image]))
            continue
        unrefined = None if before is None else before[index]
        top = [
            Ranked.model_validate({"class": name, "probability": probability}) for name, probability in ranked[index]
        ]
        found.append(
            Answer(
                image=image,
                ok=True,
                label=top[0].class_,
                probability=top[0].probability,
                top=top,
                prediction_set=None if predictions.sets is None else sets[index],
                abstained=None if abstained is None else abstained[index],
                familiarity=None if familiarity is None else _finite(familiarity[index]),
                evidence=_sentences(predictions.evidence[index]),
                runner_up_evidence=_sentences(predictions.runner_up_evidence[index]),
                unrefined_label=unrefined,
                words=_words(predictions, index),
                note=_note(abstained is not None and abstained[index], unrefined, top[0].class_),
            )
        )
    return found


def classified(predictions: Predictions, answers: Sequence[Answer]) -> Classified:
    """The answers of one request, with the facts that hold for all of them."""
    return Classified(answers=list(answers), **facts_of(predictions))


def facts_of(predictions: Predictions) -> dict[str, Any]:
    """The facts that hold for all photographs of a batch. Where they were refined, the first note says what changed."""
    told = [] if predictions.unrefined_labels is None else [predictions.refinement]
    return {
        "classes": list(predictions.classes),
        "method": predictions.method,
        "requested_method": predictions.requested_method,
        "prior": predictions.prior,
        "model": str(predictions.manifest["encoder"]["name"]),
        "calibrated": "calibration" in predictions.manifest,
        "notes": [*told, *predictions.notes],
    }


def _sentences(texts: Sequence[Evidence]) -> list[Sentence]:
    return [Sentence(**asdict(text)) for text in texts]


def _words(predictions: Predictions, index: int) -> Words | None:
    told = None if predictions.words is None else predictions.words.of(index)
    if told is None:
        return None
    label, share = told.by_words
    return Words(
        label_by_image=told.by_image[0],
        probability_by_image=told.by_image[1],
        label_by_words=label,
        probability_by_words=_finite(share),
        matched=[Matched(**asdict(match)) for match in told.matched],
        masked=list(told.masked),
        narrative_note=told.note,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _note(none_of_these: bool, before: str | None, label: str) -> str:
    if none_of_these:
        return "The photograph may show none of these classes."
    return f"By the sentences alone, the answer was {before}." if before and before != label else ""
