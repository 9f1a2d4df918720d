"""Heat maps: which parts of a photograph look like the answer, as PNG pictures without metadata."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from zsderm.errors import ImageError
from zsderm.predictions import Predictions
from zsderm.service.problems import ProblemError

if TYPE_CHECKING:
    from zsderm.classifier import ZeroShotClassifier
    from zsderm.service.jobs.records import JobRecord, PhotographRecord
    from zsderm.service.running import Service


def heat_maps(
    service: Service, classifier: ZeroShotClassifier, predictions: Predictions, files: Sequence[Path]
) -> Iterator[str | None]:
    """A heat map of each photograph as a data URI, one at a time; None if it could not be read.

    Args:
        service: decodes the photographs.
        classifier: the classifier that gave the answers.
        predictions: its answers for N photographs.
        files: N paths that the service chose.
    """
    for index, ok in enumerate(predictions.ok.tolist()):
        service.classifiers.texts.expect()
        made = _heat(service, classifier, predictions, index, files[index]) if ok else None
        yield None if made is None else "data:image/png;base64," + base64.b64encode(made).decode("ascii")


def heat_picture(service: Service, job: JobRecord, photograph: PhotographRecord) -> bytes:
    """The heat map of a photograph in a finished job, as PNG.

    Raises:
        ProblemError: 404, the photograph cannot be read any more.
    """
    predictions = service.runner.predictions(job)
    file = service.folders.originals(job.id) / photograph.file
    made = _heat(service, service.classifiers.find(job.request), predictions, photograph.number, file)
    if made is None:
        raise ProblemError(404, "the photograph cannot be read any more")
    return made


def _heat(
    service: Service, classifier: ZeroShotClassifier, predictions: Predictions, index: int, file: Path
) -> bytes | None:
    """The map is of the pixels that were answered, so they are decoded as for the answer."""
    try:
        read = service.pictures.read(file, at_least=service.engine.encoder.card.decoded_side)
    except ImageError:
        return None
    # Not above: it takes open_clip, for which a service that starts need not wait.
    from zsderm.tasks.explanation.explain import explain_predictions

    assert read.pixels is not None
    explanation = next(explain_predictions(classifier, _alone(predictions, index), pictures=[read.pixels]))
    if explanation is None:
        return None
    file_of_map = BytesIO()
    explanation.overlay().save(file_of_map, "PNG")
    return file_of_map.getvalue()


def _alone(predictions: Predictions, index: int) -> Predictions:
    """One row of them, as it was answered among the others."""
    own = slice(index, index + 1)
    return replace(
        predictions,
        images=predictions.images[own],
        probabilities=predictions.probabilities[own],
        evidence=predictions.evidence[own],
        runner_up_evidence=predictions.runner_up_evidence[own],
        errors={},
        sets=None,
        familiarity=None,
        abstained=None,
        energy=None,
        unrefined_labels=None,
        words=None,
    )
