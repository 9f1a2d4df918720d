"""Benchmark runs of models that answer in words: one prompt with all classes per image, no probabilities.

An image without an answer (the reply names no class or several, or the model refuses) counts as wrong, and the number
of such images is reported. The figures are given for our reading of replies and for the published one, which takes the
first class of the list whose name occurs in the reply.

Letters: N images, C classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm import KnowledgeBase, __version__
from zsderm.asking import NO_ANSWER
from zsderm.asking.asking import Answerer
from zsderm.asking.classes import METHOD, PROMPT, ClassReply, GenerativeClassifier
from zsderm.benchmarks.grid import Run
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.results import Result
from zsderm.file_names import printable
from zsderm.manifest_files import versions
from zsderm.metrics import balanced_accuracy, by_group, confusion_matrix, evaluate

REPLIES = "replies"  # folder of what was said, in the folder of the results
Models = Mapping[str, Answerer]  # by the name of a run's model


def classifier_of(run: Run, model: Answerer, classes: Sequence[str], output: Path, seed: int) -> GenerativeClassifier:
    """The classifier that a run names.

    Args:
        run: names the knowledge base.
        model: is asked.
        classes: C names.
        output: folder of the results, in which replies are kept.
        seed: of the order in which classes are listed.
    """
    return GenerativeClassifier(model, tuple(classes), output / REPLIES, KnowledgeBase.load(run.knowledge), seed)


def inputs_of(images: str, classifier: GenerativeClassifier) -> dict[str, Any]:
    """Everything that the answers depend on; see `zsderm.benchmarks.runner.inputs_of`.

    Args:
        images: checksum of images and labels.
        classifier: answers.
    """
    return {
        "images": images,
        "model": dict(classifier.model.facts()),
        "sampling": classifier.model.sampling.facts(),
        "knowledge": None if classifier.knowledge is None else classifier.knowledge.checksum,
        "prompt": PROMPT,
        "seed": classifier.seed,
        "zsderm": __version__,
    }


def frame_of(replies: Sequence[ClassReply], dataset: LabelledImages) -> pd.DataFrame:
    """One row an image: image, label, first_substring, reply, method, error, reason, true_label, and the unit."""

    def name(place: int | None, row: ClassReply) -> str:
        return "" if row.error else NO_ANSWER if place is None else dataset.classes[place]

    frame = pd.DataFrame(
        {
            "image": [printable(row.image) for row in replies],
            "label": [name(row.label, row) for row in replies],
            "first_substring": [name(row.first, row) for row in replies],
            "reply": [row.reply for row in replies],
            "method": [METHOD] * len(replies),
            "error": [row.error for row in replies],
            "reason": [row.reason for row in replies],
            "true_label": [dataset.classes[label] for label in dataset.labels],
        }
    )
    if dataset.units is not None:
        frame[dataset.unit] = dataset.units
    return frame


def score(run: Run, dataset: LabelledImages, classifier: GenerativeClassifier, replies: Sequence[ClassReply]) -> Result:
    """Everything that is reported of one run, without the inputs.

    Raises:
        InputError: not one image could be read.
    """
    count = len(dataset.classes)
    read = np.array([not row.error for row in replies], dtype=bool)
    own = _column([row.label for row in replies], count)  # (N,), C for no answer
    table = _table(own, read, count)
    known, true = own[read], dataset.labels[read]
    answered = known < count
    model = classifier.model
    return {
        "kind": "run",
        "config": {**run.facts(dataset), "views": 1},
        "data": dataset.facts(),
        "used": {"method": METHOD, "prior": ""},
        "metrics": evaluate(dataset.labels, table, clusters=dataset.units, named_only=True).to_dict(),
        "replies": {
            "no_answer": int((~answered).sum()),
            "no_answer_of_class": np.bincount(true[~answered], minlength=count).tolist(),
            "refused": sum(bool(row.reason) for row in replies),
            "first_substring": _published(replies, dataset, read),
        },
        "confusion": confusion_matrix(true[answered], known[answered], count).tolist(),
        "reliability": None,  # there are no probabilities
        "groups": {
            title: by_group(dataset.labels, table, names, clusters=dataset.units, named_only=True).to_dict()
            for title, names in dataset.groups.items()
        },
        "manifest": {
            "encoder": {"name": model.name, "fingerprint": json.dumps(dict(model.facts()), sort_keys=True)},
            "settings": {"views": 1, "seed": classifier.seed, **model.sampling.facts()},
            "versions": versions(),
            "notes": [],
        },
    }


def _published(replies: Sequence[ClassReply], dataset: LabelledImages, read: NDArray[np.bool_]) -> dict[str, Any]:
    """What the published reading gives: the first class name, in the order of the classes, that the reply holds."""
    first = _column([row.first for row in replies], len(dataset.classes))
    found = evaluate(dataset.labels, _table(first, read, len(dataset.classes)), clusters=dataset.units, named_only=True)
    return {
        "accuracy": found.accuracy,
        "accuracy_low": found.accuracy_low,
        "accuracy_high": found.accuracy_high,
        "balanced_accuracy": balanced_accuracy(dataset.labels[read], first[read]),
        "no_answer": int((first[read] == len(dataset.classes)).sum()),
    }


def _column(places: Sequence[int | None], count: int) -> NDArray[np.int_]:
    """(N,) classes, C where there is none."""
    return np.array([count if place is None else place for place in places], dtype=np.int_)


def _table(answers: NDArray[np.int_], read: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
    """(N, C + 1): 1 for the answer, the last column for no answer; NaN for an image that could not be read."""
    table = np.eye(count + 1)[answers]
    table[~read] = np.nan
    return table
