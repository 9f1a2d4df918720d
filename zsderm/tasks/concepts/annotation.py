"""Which visual concepts a photograph shows, without training: each is contrasted with a neutral sentence.

Letters: N images, C concepts, D embedding width.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from zsderm.atomic_files import atomic_file
from zsderm.csv_files import open_csv, write_frame
from zsderm.embeddings import EmbeddableImage, embed_images, embed_texts
from zsderm.file_names import printable
from zsderm.tasks.concepts.concept_list import ConceptVocabulary

if TYPE_CHECKING:
    from zsderm.encoders import Encoder


@dataclass(frozen=True, eq=False)
class ConceptScores:
    """How much each image shows each concept.

    Attributes:
        images: N names.
        concepts: C names.
        scores: (N, C) float32, log-odds of the concept against plain skin; NaN rows for images that could not be read.
        errors: a reason for each failed image, by name.
    """

    images: tuple[str, ...]
    concepts: tuple[str, ...]
    scores: npt.NDArray[np.float32]
    errors: Mapping[str, str] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """One row per image: image, a column per concept, error (empty when fine)."""
        frame = pd.DataFrame(self.scores, columns=list(self.concepts))
        frame.insert(0, "image", [printable(name) for name in self.images])
        return frame.assign(error=[self.errors.get(name, "") for name in self.images])

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table of ``to_frame`` as CSV; the file is replaced whole or not at all."""
        with atomic_file(path) as draft, open_csv(draft) as file:
            write_frame(self.to_frame(), file)


def annotate(
    encoder: Encoder,
    vocabulary: ConceptVocabulary,
    images: Sequence[EmbeddableImage],
    *,
    names: Sequence[str] | None = None,
    batch_size: int = 64,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> ConceptScores:
    """Score every concept of a vocabulary on every image.

    An image's scores do not depend on the other images. They rank images within one concept; between concepts they
    are not calibrated, because some phrases are nearer to all photographs than others.

    Args:
        encoder: embeds images and prompts.
        vocabulary: the concepts and the sentences that they are asked in.
        images: N paths or PIL images.
        names: N names for the rows; by default the paths as text.
        batch_size: images encoded at once; beyond rounding the scores do not depend on it.
        cache: folder for image features; None keeps nothing.
        progress: show a bar on stderr if that is a terminal.
    """
    embedded = embed_images(encoder, images, batch_size=batch_size, cache=cache, progress=progress)
    rows = tuple(map(str, images)) if names is None else tuple(names)
    scores = embedded.features @ concept_directions(encoder, vocabulary).T  # (N, C)
    scores[~embedded.ok] = np.nan
    errors = {rows[index]: reason for index, reason in embedded.errors.items()}
    return ConceptScores(rows, tuple(vocabulary.names), scores, errors)


def concept_directions(encoder: Encoder, vocabulary: ConceptVocabulary) -> npt.NDArray[np.float32]:
    """The direction of each concept, so that its inner product with an image is the concept's log-odds.

    direction = (mean of the target prompts - mean of the reference prompts) / temperature

    A concept whose other side is more than its absence (an irregular network against a regular one) is held against
    prompts of that side; every other concept against the reference prompts, which name no finding.

    The softmax of the two mean similarities, at the temperature of the encoder, is the logistic function of this inner
    product. All terms and all prompts weigh the same.

    Returns:
        (C, D) float32, not of unit length.

    Source: the target-versus-reference contrast of MONET (Kim et al., Nature Medicine 2024), which MAKE's evaluation
        uses too (arXiv 2505.09372). There the softmax is averaged over the prompts; here its log-odds are.
    """
    sides = (vocabulary.targets, vocabulary.references)
    prompts = [side(concept) for side in sides for concept in vocabulary.concepts]  # 2 C lists
    distinct = list(dict.fromkeys(prompt for asked in prompts for prompt in asked))
    features = dict(zip(distinct, embed_texts(encoder, distinct), strict=True))  # (D,) each
    means = np.stack([np.mean([features[prompt] for prompt in asked], axis=0) for asked in prompts])  # (2 C, D)
    shown, neutral = np.split(means, 2)
    return ((shown - neutral) / encoder.temperature).astype(np.float32)
