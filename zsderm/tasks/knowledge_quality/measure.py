"""Measures of the quality of a knowledge base: counts, readability, near-duplicates, specificity, length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from open_clip.tokenizer import SimpleTokenizer

from zsderm.errors import InputError
from zsderm.knowledge.authoring.checks.reading import readability
from zsderm.knowledge.base import Description, KnowledgeBase
from zsderm.knowledge.prompts import described
from zsderm.tasks.knowledge_quality.report import (
    CONTEXT,
    LOOSEST,
    NEARLY_EQUAL,
    LongText,
    LooseSentence,
    NearDuplicate,
    QualityReport,
    Specificity,
)

if TYPE_CHECKING:
    from zsderm.encoders.sentence_model import TextEncoder

BLOCK = 1024  # rows compared with as many others at a time: 4 MB of cosines


def quality(judge: TextEncoder, base: KnowledgeBase, *others: TextEncoder) -> QualityReport:
    """Measure a knowledge base.

    Similarity and specificity are taken on the bare texts: in its template, the name of the disease would decide both.

    Args:
        judge: embeds descriptions and names; finds near-duplicates and specificity. See `SentenceModel`.
        others: encoders by which specificity is measured as well.
        base: a knowledge base with at least one description.

    Raises:
        InputError: if the base has no descriptions.
    """
    texts = base.descriptions
    if not texts:
        raise InputError(f"knowledge base {base.name!r} has no descriptions to measure.")
    names = list(base.diseases)
    place = {name: index for index, name in enumerate(names)}
    owners = np.array([place[text.disease] for text in texts])
    features, by_judge = _specificities_by(judge, texts, owners, names)
    counts = [len(disease.descriptions) for disease in base.diseases.values()]
    return QualityReport(
        base=base.name,
        version=base.version,
        checksum=base.checksum,
        encoder=_label(judge),
        diseases=len(names),
        aspects=dict(Counter(text.aspect for text in texts).most_common()),
        modalities=dict(Counter(text.modality for text in texts).most_common()),
        per_disease=(min(counts), median(counts), max(counts)),
        readability=readability([text.text for text in texts]),
        near_duplicates=tuple(
            NearDuplicate(cosine, texts[one], texts[other]) for cosine, one, other in near_duplicates(features, owners)
        ),
        specificities=by_judge,
        loose=loosest(features, owners, texts, names),
        views={_label(other): _specificities_by(other, texts, owners, names)[1] for other in others},
        long_texts=long_texts(texts),
    )


def _specificities_by(
    encoder: TextEncoder, texts: Sequence[Description], owners: npt.NDArray[np.int_], names: Sequence[str]
) -> tuple[npt.NDArray[np.float32], tuple[Specificity, ...]]:
    """(M, D) unit rows of the bare texts, and the specificity of each disease by one encoder."""
    features = encoder.encode_texts([text.text for text in texts]).numpy()  # (M, D)
    return features, specificities(features, owners, encoder.encode_texts(names).numpy(), names)


def _label(encoder: TextEncoder) -> str:
    return f"{encoder.card.name} ({encoder.fingerprint})"


def near_duplicates(
    features: npt.NDArray[np.float32],
    owners: npt.NDArray[np.int_],
    threshold: float = NEARLY_EQUAL,
    block: int = BLOCK,
) -> list[tuple[float, int, int]]:
    """Pairs of rows of different owners whose cosine is above a threshold, nearest first.

    Block by block, so that memory grows with the block and the pairs found, and not with the square of M.

    Args:
        features: (M, D) float32 unit rows.
        owners: (M,) integers.
        threshold: cosine that a pair has to exceed.
        block: rows at a time.

    Returns:
        (cosine, row, later row), each pair once.
    """
    found = list(_pairs_above(features, owners, threshold, block))
    return sorted(found, key=lambda pair: (-pair[0], *pair[1:]))


def specificities(
    features: npt.NDArray[np.float32],
    owners: npt.NDArray[np.int_],
    name_features: npt.NDArray[np.float32],
    names: Sequence[str],
) -> tuple[Specificity, ...]:
    """Whether the descriptions of each disease point to its own name among all names, worst first.

    The worst has the smallest share and, among equals, the latest rank. Diseases without descriptions are left out;
    their names still compete.

    Args:
        features: (M, D) float32 unit rows of the descriptions.
        owners: (M,) the disease of each, an index into the names.
        name_features: (C, D) float32 unit rows of the names.
        names: C names.
    """
    found = []
    for index in np.unique(owners).tolist():
        own = features[owners == index]  # (m, D)
        ranks = _own_ranks(own @ name_features.T, index)
        mean_rank = _own_ranks(own.mean(axis=0, keepdims=True) @ name_features.T, index)[0]
        found.append(Specificity(names[index], float((ranks == 1).mean()), int(mean_rank)))
    return tuple(sorted(found, key=lambda item: (item.share, -item.rank, item.disease)))


def loosest(
    features: npt.NDArray[np.float32],
    owners: npt.NDArray[np.int_],
    texts: Sequence[Description],
    names: Sequence[str],
    share: float = LOOSEST,
) -> tuple[LooseSentence, ...]:
    """The sentences that point least to their own disease, loosest first.

    A sentence is compared with the mean of the other sentences of its own disease and with the mean of each other
    disease. Its standing is its cosine with its own mean, in standard deviations above the mean over all diseases.
    Among 72 sentences that two editors found to fit dozens of diseases, 17 are in this worst tenth; by its rank among
    the names alone 12 would be. Sentences that stand alone in their disease are left out.

    Args:
        features: (M, D) float32 unit rows of the descriptions.
        owners: (M,) the disease of each, an index into the names.
        texts: M descriptions.
        names: C names.
        share: of the sentences, 0 to 1.
    """
    counts = np.bincount(owners, minlength=len(names))  # (C,)
    sums = np.zeros((len(names), features.shape[1]), dtype=np.float32)
    np.add.at(sums, owners, features)
    own = sums[owners] - features  # (M, D): a sentence does not speak for itself
    described = counts > 0
    cosines = features @ _unit(sums[described]).T  # (M, described)
    places = np.cumsum(described) - 1  # disease -> its column
    rows = np.arange(len(features))
    cosines[rows, places[owners]] = (features * _unit(own)).sum(axis=1)
    alone = cosines[rows, places[owners]]
    standing = (alone - cosines.mean(axis=1)) / np.maximum(cosines.std(axis=1), 1e-6)
    cosines[rows, places[owners]] = -2.0
    columns = np.flatnonzero(described)
    order = [row for row in np.argsort(standing, kind="stable").tolist() if counts[owners[row]] > 1]
    return tuple(
        LooseSentence(float(standing[row]), names[columns[int(cosines[row].argmax())]], texts[row])
        for row in order[: int(share * len(features))]
    )


def long_texts(descriptions: Sequence[Description], context: int = CONTEXT) -> tuple[LongText, ...]:
    """Descriptions that, in the sentence that names their disease, have more CLIP tokens than fit; longest first."""
    tokenizer = SimpleTokenizer()
    counted = [LongText(len(tokenizer.encode(described(d.disease, d.text))) + 2, d) for d in descriptions]
    return tuple(sorted((text for text in counted if text.tokens > context), key=lambda text: -text.tokens))


def _unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, np.float32(1e-6))


def _pairs_above(
    features: npt.NDArray[np.float32], owners: npt.NDArray[np.int_], threshold: float, block: int
) -> Iterator[tuple[float, int, int]]:
    for top in range(0, len(features), block):
        for left in range(top, len(features), block):
            cosines = features[top : top + block] @ features[left : left + block].T  # (block, block)
            for row, column in np.argwhere(cosines > threshold).tolist():
                one, other = top + row, left + column
                if one < other and owners[one] != owners[other]:
                    yield float(cosines[row, column]), one, other


def _own_ranks(cosines: npt.NDArray[np.float32], own: int) -> npt.NDArray[np.int_]:
    """1 plus the number of names that are nearer than the own one, for each row of (m, C) cosines."""
    return 1 + (cosines > cosines[:, [own]]).sum(axis=1)
