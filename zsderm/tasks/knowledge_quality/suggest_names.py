"""The diseases of a knowledge base nearest in meaning to a name that it does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsderm.errors import SettingsError
from zsderm.knowledge.base import KnowledgeBase

if TYPE_CHECKING:
    from zsderm.encoders.sentence_model import TextEncoder


def suggest_names(encoder: TextEncoder, base: KnowledgeBase, name: str, k: int = 3) -> list[str]:
    """The k diseases whose name or alias is nearest to a name, best first.

    A disease is as near as the nearest of its names. There is always a nearest one, so these are suggestions to read
    and never a resolution to act on.

    Args:
        encoder: embeds the names, bare; a sentence model knows more words than an encoder of images does.
        base: where to look.
        name: what somebody called a disease.
        k: at least 1; clipped to the number of diseases.

    Returns:
        Canonical names; equally near ones in the order of the base.

    Raises:
        SettingsError: if k is below 1.
    """
    if k < 1:
        raise SettingsError(f"Expected argument `k` to be at least 1, but got {k}.")
    diseases = list(base.diseases.values())
    names = [known for disease in diseases for known in (disease.name, *disease.aliases)]
    owners = [index for index, disease in enumerate(diseases) for _ in range(1 + len(disease.aliases))]
    cosines = (encoder.encode_texts(names) @ encoder.encode_texts([name])[0]).numpy()  # (names,)
    nearest = np.full(len(diseases), -np.inf, np.float32)
    np.maximum.at(nearest, owners, cosines)
    return [diseases[index].name for index in np.argsort(-nearest, kind="stable")[:k]]
