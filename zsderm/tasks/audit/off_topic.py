"""Which photographs are unlike all others of their set: text, scans, another body, no skin at all.

Letters: N photographs, D embedding width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zsderm.embeddings.vector_index import VectorIndex

# So that a few pictures of one wrong kind do not vouch for each other. Of ten planted among the 1 182 of HAM10000 dev,
# three, five and ten neighbours put nine among the first twenty, and twenty put six.
NEIGHBOURS = 10


def familiarities(features: npt.NDArray[np.float32], readable: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How much each photograph is like its nearest others of the set; the audit asks this function and no other.

    The similarity of a photograph to the names of diseases, which `zsderm classify` writes as familiarity, finds
    pictures without skin hardly better than chance with the bundled encoder (docs/audit.md).

    Args:
        features: (N, D) unit rows.
        readable: (N,) bool, which rows are those of photographs.

    Returns:
        (N,) float64, the mean cosine with the nearest ten others, or with all others of a smaller set; larger is more
        familiar. NaN for what is not readable, and for a photograph that is alone.
    """
    found = np.full(len(features), np.nan)
    rows = np.flatnonzero(readable)
    if len(rows) > 1:
        own = features[rows]
        nearest, _ = VectorIndex.build(own).search(own, min(NEIGHBOURS + 1, len(rows)))  # (n, k + 1), best first
        found[rows] = nearest[:, 1:].mean(axis=1)  # each photograph finds itself, or a copy, first
    return found
