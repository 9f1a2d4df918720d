"""Answers for any number of images, written into a folder as they are made, and gone on with where a run stopped.

What was learned from all images is kept in the folder as well (_fitted.safetensors): a run that goes on does not learn
it again, and its answers are by the same proxies to the last bit.

Letters: N images, C classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from zsderm.calibration import apply_calibration
from zsderm.errors import InputError
from zsderm.fitted import Fitted
from zsderm.home_prior import home_digest, home_prior
from zsderm.manifest_files import run_facts, versions
from zsderm.prediction_dataset import PART_IMAGES, AnswerFacts, PredictionDataset
from zsderm.prediction_dataset.counts import LEARNED_FROM, AnswerCounts, minimum_note
from zsderm.predictions import Predictions
from zsderm.progress import counting
from zsderm.stored_json import checksum_of, parse_json
from zsderm.streamed_answers import StreamedAnswers, digest_of

if TYPE_CHECKING:
    from zsderm.calibration import Calibration
    from zsderm.classifier import ZeroShotClassifier
    from zsderm.given_rows import EmbeddedImages
    from zsderm.places import Folder

FITTED = "_fitted.safetensors"
_FACTS = "zsderm_fitted"  # key in its metadata
_LARGEST = 1 << 30  # bytes of it
_PER_IMAGE = ("batch_size", "streamed_from")  # settings that change no answer but for rounding


@dataclass(frozen=True, eq=False)
class AnswerSheet:
    """How answers are written.

    Attributes:
        top_k: how many classes a wide table names.
        layout: "wide" or "long".
        calibration: corrects the probabilities; None: nothing does.
        minimum: the probability below which a label is marked; None marks nothing.
        part_images: how many images a part holds; a data set that has been begun keeps its own number.
    """

    top_k: int = 3
    layout: str = "wide"
    calibration: Calibration | None = None
    minimum: float | None = None
    part_images: int = PART_IMAGES

    def filled(self, predictions: Predictions) -> Predictions:
        """Answers as they are written."""
        if self.calibration is not None:
            predictions = apply_calibration(predictions, self.calibration)
        if self.minimum is None:
            return predictions
        return replace(
            predictions, minimum=self.minimum, manifest={**predictions.manifest, "min_probability": self.minimum}
        )

    def manifest(self, of_part: Mapping[str, Any], counts: AnswerCounts) -> dict[str, Any]:
        """The manifest of all answers, from that of a part and what is counted of all."""
        notes = list(of_part.get("notes", ()))
        if counts.below_minimum:
            notes.append(minimum_note(counts.below_minimum, self.minimum or 0))
        learned = {} if self.calibration is None else {LEARNED_FROM: counts.learned_from}
        return {**of_part, **learned, "notes": notes}


def write_answers(
    place: Any,
    classifier: ZeroShotClassifier,
    images: EmbeddedImages,
    sheet: AnswerSheet | None = None,
    *,
    regions: Sequence[str] | None = None,
    progress: bool = False,
    run: Mapping[str, Any] | None = None,
    begun: Callable[[PredictionDataset, int], None] | None = None,
) -> PredictionDataset:
    """Write the answers for images into a data set, or go on where an earlier run stopped.

    Args:
        place: a folder, new or of an earlier run with the same images and settings.
        classifier: answers. If it was not fitted before, it learns from these images.
        images: N of them, as `ZeroShotClassifier.embedded` gives them.
        sheet: how answers are written.
        regions: see `ZeroShotClassifier.predict`.
        progress: show bars on stderr.
        run: which run it is, as `zsderm.manifest_files.run_facts` says it.
        begun: is told of the data set and how many parts are missing, before they are made.

    Returns:
        The data set, in which all parts are there.

    Raises:
        SettingsError: a place that cannot be written, or that holds something else or answers that were made otherwise;
            or a calibration of other answers.
        InputError: what an earlier run left is damaged.
    """
    sheet, run = sheet or AnswerSheet(), dict(run or run_facts())
    PredictionDataset.refuse_others(place)
    facts = AnswerFacts(
        classes=list(classifier.classes),
        images=len(images),
        part_images=sheet.part_images,
        layout=sheet.layout,
        top_k=sheet.top_k,
        made_of=made_of(classifier, images, sheet, regions),
        begun=run,
    )
    dataset = PredictionDataset.begin(place, facts)
    missing = dataset.missing()
    if begun is not None:
        begun(dataset, len(missing))
    if missing:
        answers = _answers(dataset.folder, classifier, images, regions, progress)
        proxies = "" if answers.fitted is None else answers.fitted.digest
        todo = sum(len(dataset.facts.rows(part)) for part in missing)
        with counting("Answering", todo, progress) as tell:
            for part in missing:
                filled = _filled(answers.parts(dataset.facts.rows(part)), sheet, run, tell)
                dataset.write_part(part, filled, proxies)
    if missing or dataset.finished is None:
        dataset.finish(sheet.manifest, run)
    return dataset


def made_of(
    classifier: ZeroShotClassifier, images: EmbeddedImages, sheet: AnswerSheet, regions: Sequence[str] | None
) -> dict[str, Any]:
    """What decides about answers, by the name under which a message says that it is another: all rows are read.

    Args:
        classifier: answers.
        images: N of them.
        sheet: how answers are written.
        regions: see `ZeroShotClassifier.predict`.
    """
    texts, settings = classifier.texts, asdict(classifier.settings)
    shares = classifier.prior if isinstance(classifier.prior, str) else classifier.prior.tolist()
    how = (classifier.prior, classifier.settings, classifier.encoder, classifier.classes, classifier.knowledge)
    home = None if classifier.fitted is not None else home_prior(*how)  # a fit has a digest of its own
    rows = digest_of(images)
    record = sheet.calibration
    return {
        "encoder": classifier.encoder.fingerprint,
        "embeddings": rows["rows"],
        "image names": rows["names"],
        **{name: value for name, value in settings.items() if name not in _PER_IMAGE},
        "templates": settings["templates"] and list(settings["templates"]),
        "prior": shares,
        "what prior home takes off": None if home is None else home_digest(home.mean),
        "class texts": texts.digest,
        "fitted classifier": None if classifier.fitted is None else classifier.fitted.digest,
        "calibration": None if record is None else checksum_of(replace(record, photographs=None).to_dict()),
        "minimum": sheet.minimum,
        "regions": None if regions is None else hashlib.sha256(json.dumps(list(regions)).encode()).hexdigest(),
        "version of zsderm": versions()["zsderm"],
    }


def _answers(
    folder: Folder,
    classifier: ZeroShotClassifier,
    images: EmbeddedImages,
    regions: Sequence[str] | None,
    progress: bool,
) -> StreamedAnswers:
    """The answers by what an earlier run has learned, or by what is learned now and kept for the next."""
    learned = None
    if classifier.fitted is None and folder.has(FITTED):
        learned = _read_fitted(folder, classifier)
    answers = classifier.predict_stream(images, progress, regions=regions, learned=learned)
    if classifier.fitted is None and learned is None and answers.fitted is not None:
        metadata = {_FACTS: json.dumps(answers.fitted.facts())}  # one key: several are written in any order
        with folder.written(FITTED) as draft:
            draft.write_bytes(save(answers.fitted.tensors(), metadata=metadata))
    return answers


def _read_fitted(folder: Folder, classifier: ZeroShotClassifier) -> Fitted:
    try:
        with folder.open(FITTED) as stream:
            content = stream.read(_LARGEST)
        length = int.from_bytes(content[:8], "little")
        facts = parse_json(content[8 : 8 + length].decode())["__metadata__"][_FACTS]
        found = Fitted.from_parts(load(content), parse_json(facts))
        found.check_texts(classifier.texts.class_of, classifier.encoder.card.width)
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"cannot read what an earlier run learned from '{FITTED}' in '{folder}': {reason}. Choose another folder"
        ) from error
    return found


def _filled(
    answers: Iterator[Predictions], sheet: AnswerSheet, run: Mapping[str, Any], tell: Callable[[float], None]
) -> Iterator[Predictions]:
    for predictions in answers:
        filled = sheet.filled(predictions)
        yield replace(filled, manifest={**filled.manifest, "run": dict(run)})
        tell(len(predictions))
