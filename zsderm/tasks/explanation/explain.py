"""Why this class? The descriptions that spoke for it and for the runner-up, and where in the photograph.

Letters: C classes, M descriptions, D embedding width.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from zsderm.class_texts import ClassTexts
from zsderm.config import Settings
from zsderm.embeddings import embed_images
from zsderm.errors import ImageError, InputError
from zsderm.evidence import on_the_same_aspects
from zsderm.images import ImageSource, open_image
from zsderm.places import path_or_address
from zsderm.predictions import Evidence, Predictions
from zsderm.tasks.explanation.field_of_view import FieldOfView, field_of_view
from zsderm.tasks.explanation.heat_map import HeatMap, check_method, heat_map
from zsderm.tasks.explanation.heat_picture import overlay, pair

if TYPE_CHECKING:
    from PIL.Image import Image

    from zsderm.classifier import ZeroShotClassifier
    from zsderm.encoders import Encoder

Proxies = Tensor | Callable[[Tensor], Tensor]  # (C, D) rows that classify; or those of an image, from its (D,) feature

SHOWN_SIDE = 512  # pixels of the longer side that are kept of a photograph
EVIDENCE = 3  # descriptions per class


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one photograph was given one class rather than the next."""

    image: str  # its name
    winner: str
    runner_up: str  # empty where there is only one class
    margin: float  # cosine with the proxy of the winner minus that with the runner-up's, as they were answered
    evidence: tuple[Evidence, ...]  # the winner's descriptions that stand beside the photograph, best first
    runner_up_evidence: tuple[Evidence, ...]  # the runner-up's, on the same aspects where it has them
    heat: HeatMap
    picture: Image  # the photograph, made small

    @property
    def scale(self) -> float:
        """The cosine at either end of the map's colours."""
        return self.heat.scale

    def overlay(self, side: int = SHOWN_SIDE) -> Image:
        """The photograph under its heat map."""
        return overlay(self.picture, self.heat, side)

    def pair(self, side: int = 384) -> Image:
        """Photograph and heat map side by side, with the scale and what it means below."""
        return pair(self.picture, self.heat, self.winner, self.runner_up, side)


def explain(
    encoder: Encoder,
    image: ImageSource,
    proxies: Proxies,
    classes: Sequence[str],
    *,
    texts: ClassTexts | None = None,
    rows: Tensor | None = None,
    ranked: tuple[int, int] | None = None,
    evidence: int = EVIDENCE,
    method: str = "occlusion",
    name: str = "",
    view: FieldOfView | None = None,
    feature: Tensor | None = None,
    centre: Tensor | None = None,
    modality: str = Settings.modality,
    beside: tuple[Sequence[Evidence], Sequence[Evidence]] | None = None,
) -> Explanation:
    """Explain one photograph.

    Args:
        encoder: the one that the proxies belong to.
        image: a path or a picture.
        proxies: (C, D) unit rows that classify, or what makes them of the image's own (D,) feature.
        classes: C names.
        texts: what is said of the classes; None leaves the evidence empty.
        rows: (M',) int64, the descriptions to choose from; None for all.
        ranked: winner and runner-up as indices, where something else than the proxies ranked them.
        evidence: descriptions per class.
        method: of the heat map, see `heat_map`.
        name: of the image; by default its path.
        view: the field of view for pictures of this size, when it is known already.
        feature: (D,) unit row that was answered, where it is another than that of the image as it is, such as the mean
            of several views. The heat map looks at the image as it is.
        centre: (D,) what was taken from features before they were held against the proxies; None: nothing.
        modality: "clinical" or "dermoscopic", what the image is; "auto" asks the encoder.
        beside: what stands beside the answer already, of the winner and of the runner-up; `texts` are not asked then.

    Raises:
        ImageError: the image cannot be read.
        InputError: proxies and classes do not fit together.
        CheckpointError, SettingsError: see `heat_map`.
    """
    check_method(method)
    if isinstance(proxies, Tensor):
        proxies = _checked(proxies, classes)  # before any work
    photograph = open_image(image)
    if feature is None:
        feature = encoder.encode_pixels(encoder.preprocess(photograph)[None])[0]  # (D,)
    seen = feature if centre is None else feature - centre
    directions = proxies if isinstance(proxies, Tensor) else _checked(proxies(feature), classes)
    winner, runner_up = ranked or _best_two(directions @ seen)
    towards = directions[winner] - directions[runner_up] if runner_up != winner else directions[winner]
    spoken, answered = (tuple(told[:evidence]) for told in beside or ((), ()))
    if texts is not None and beside is None:
        spoken = _evidence(texts, feature, winner, rows, modality)[:evidence]
        others = _evidence(texts, feature, runner_up, rows, modality) if runner_up != winner else ()
        answered = on_the_same_aspects(spoken, others, evidence)
    offset = 0.0 if centre is None else float(towards @ centre)
    heat = heat_map(encoder, photograph, towards, method=method, view=view, offset=offset)
    photograph.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return Explanation(
        image=name or (str(path_or_address(os.fspath(image))) if isinstance(image, str | os.PathLike) else ""),
        winner=classes[winner],
        runner_up=classes[runner_up] if runner_up != winner else "",
        margin=float(towards @ seen),
        evidence=spoken,
        runner_up_evidence=answered,
        heat=heat,
        picture=photograph,
    )


def explain_images(
    encoder: Encoder,
    predictions: Predictions,
    proxies: Proxies,
    *,
    pictures: Sequence[ImageSource] | None = None,
    texts: ClassTexts | None = None,
    evidence: int = EVIDENCE,
    method: str = "occlusion",
    views: int = 1,
    modality: str = Settings.modality,
) -> Iterator[Explanation | None]:
    """Explain the answers for N photographs, one at a time and only when asked for the next.

    Args:
        encoder: the one that predicted.
        predictions: its answers; the first two classes of each are set against each other.
        proxies: (C, D) unit rows that classified, or what makes them of an image's (D,) feature.
        pictures: N images; by default the names in `predictions` are opened as files.
        texts: what is said of the classes, where no evidence stands in `predictions`; see `explain`.
        evidence: descriptions per class.
        method: of the heat maps, see `heat_map`.
        views: how many views of each image were averaged for its answer.
        modality: of the images, see `explain`.

    Yields:
        An explanation for each image, in order; None for one that could not be read, then or now.

    Raises:
        InputError, CheckpointError, SettingsError: see `explain`.
    """
    pictures = predictions.images if pictures is None else pictures
    if len(pictures) != len(predictions):
        raise InputError(
            f"expected `pictures` to have one entry for each of {len(predictions)} images, but got {len(pictures)}"
        )
    fields: dict[tuple[int, int], FieldOfView] = {}  # a folder of one camera has one size
    order = predictions.probabilities.argsort(dim=1, descending=True, stable=True)[:, :2].tolist()
    told = zip(predictions.evidence, predictions.runner_up_evidence, strict=True)
    for name, source, ok, best, beside in zip(
        predictions.images, pictures, predictions.ok.tolist(), order, told, strict=True
    ):
        try:
            photograph = open_image(source) if ok else None
        except ImageError:
            photograph = None
        if photograph is None:
            yield None
            continue
        decoded = source if isinstance(source, str | os.PathLike) else photograph  # a file as it was for the answer
        answered = embed_images(encoder, [decoded], views=views)
        if not answered.ok[0]:
            yield None
            continue
        if photograph.size not in fields:
            fields[photograph.size] = field_of_view(encoder, photograph.size)
        yield explain(
            encoder,
            photograph,
            proxies,
            predictions.classes,
            texts=texts,
            ranked=(best[0], best[-1]),
            evidence=evidence,
            method=method,
            name=name,
            view=fields[photograph.size],
            feature=torch.from_numpy(answered.features[0]),
            centre=predictions.centre,
            modality=modality,
            beside=beside if any(beside) else None,
        )


def explain_predictions(
    classifier: ZeroShotClassifier,
    predictions: Predictions,
    *,
    pictures: Sequence[ImageSource] | None = None,
    evidence: int = EVIDENCE,
    method: str = "occlusion",
) -> Iterator[Explanation | None]:
    """Explain what a classifier has answered, one photograph at a time and only when asked for the next.

    Args:
        classifier: the one that predicted.
        predictions: its answers.
        pictures: see `explain_images`, as for the rest.
        evidence: descriptions per class.
        method: of the heat maps.

    Yields:
        See `explain_images`.

    Raises:
        InputError, CheckpointError, SettingsError: see `explain`.
    """
    settings, texts = classifier.settings, classifier.texts

    def own(feature: Tensor) -> Tensor:
        return texts.own_proxies(feature, settings.k, settings.name_weight)

    yield from explain_images(
        classifier.encoder,
        predictions,
        own if predictions.proxies is None else predictions.proxies,
        pictures=pictures,
        texts=texts,
        evidence=evidence,
        method=method,
        views=predictions.manifest["settings"]["views"] or classifier.views,
        modality=settings.modality,
    )


def _evidence(
    texts: ClassTexts, feature: Tensor, index: int, rows: Tensor | None, modality: str
) -> tuple[Evidence, ...]:
    """Everything that is said of a class and may stand beside the photograph, most like it first."""
    return next(texts.evidence_for(feature[None], torch.tensor([index]), rows, len(texts.sentences), modality))


def _best_two(scores: Tensor) -> tuple[int, int]:
    order = scores.argsort(descending=True, stable=True).tolist()
    return order[0], order[min(1, len(order) - 1)]


def _checked(proxies: Tensor, classes: Sequence[str]) -> Tensor:
    rows = torch.as_tensor(proxies).float()
    if rows.ndim != 2 or len(rows) != len(classes) or not len(classes):
        raise InputError(
            f"expected `proxies` of shape (C, D) with a row for each of {len(classes)} classes, but got "
            f"{tuple(rows.shape)}"
        )
    return normalize(rows, dim=1)
