"""What is said of each class, embedded and indexed: the text side of a classifier, made once.

Letters: C classes, M sentences, K kept per class, D embedding width.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from zsderm.embeddings import embed_texts
from zsderm.errors import FallbackWarning
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.index import DescriptionIndex
from zsderm.knowledge.sentences import Sentence, class_sentences
from zsderm.predictions import Evidence

if TYPE_CHECKING:
    from zsderm.encoders import Encoder


@dataclass(frozen=True)
class ClassTexts:
    """The M sentences of all classes.

    Attributes:
        sentences: M sentences, class by class.
        features: (M, D) float32 unit rows.
        class_of: (M,) int64, the class of each sentence.
        index: finds the sentences of a class that are most like an image.
        notes: what had to be done differently from what was asked.
    """

    sentences: list[Sentence]
    features: torch.Tensor
    class_of: torch.Tensor
    index: DescriptionIndex
    notes: tuple[str, ...]

    @classmethod
    def build(
        cls, encoder: Encoder, classes: Sequence[str], method: str, knowledge: KnowledgeBase | None
    ) -> ClassTexts:
        """Embed and index what `class_sentences` says of each class.

        Warns:
            FallbackWarning: a class that the knowledge base does not describe, or two that it cannot tell apart; also
                kept in `notes`.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", FallbackWarning)
            sentences = class_sentences(classes, method, knowledge)
        for warning in caught:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        features = embed_texts(encoder, [sentence.text for sentence in sentences])  # (M, D)
        owners = [sentence.class_index for sentence in sentences]
        notes = tuple(str(w.message) for w in caught if issubclass(w.category, FallbackWarning))
        index = DescriptionIndex.build(features, owners)
        return cls(sentences, torch.from_numpy(features), torch.tensor(owners), index, notes)

    def nearest_to(self, query: torch.Tensor, class_count: int, k: int) -> torch.Tensor:
        """The K sentences of each class most like one query; a class with fewer keeps them all.

        Args:
            query: (1, D) float32 unit row.
            class_count: C.
            k: at least 1.

        Returns:
            (M',) int64 rows, class by class, nearest first.
        """
        rows = [self.index.top_k(query.numpy(), c, k)[1][0] for c in range(class_count)]
        return torch.from_numpy(np.concatenate(rows))

    def evidence(self, feature: torch.Tensor, rows: torch.Tensor, count: int) -> tuple[Evidence, ...]:
        """The sentences among some rows that are most like one image, best first.

        Args:
            feature: (D,) float32 unit row.
            rows: rows to choose from.
            count: how many at most.
        """
        cosines = self.features[rows] @ feature
        best = cosines.topk(min(count, len(rows))).indices.tolist()
        return tuple(_evidence(self.sentences[int(rows[i])], float(cosines[i])) for i in best)


def _evidence(sentence: Sentence, score: float) -> Evidence:
    if sentence.description is None:
        return Evidence(sentence.text, score, aspect="name", source="template")
    return Evidence(sentence.description.text, score, sentence.description.aspect, sentence.description.source)
