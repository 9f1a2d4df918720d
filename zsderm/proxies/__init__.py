"""Class proxies: pure functions from embeddings to class proxies.

::

    text_proxies          descriptions -> one proxy per class
    transport_labels      cosines and a class mix -> soft labels
    multimodal_proxies    images and labels -> proxies moved to where the images lie
    refine                the last two in one step with a test, as the classifier uses it
    FeatureChunks         features that stay in their file, for `refine`
    smooth_labels         labels of a folder -> the same, each drawn towards those of its neighbours
"""

from zsderm.proxies.chunks import FeatureChunks, KnownRows
from zsderm.proxies.multimodal import LearnedProxies, learn_proxies, multimodal_proxies
from zsderm.proxies.prior import resolve_prior
from zsderm.proxies.refinement import Refinement, refine
from zsderm.proxies.smoothing import NEIGHBOURS, NeighbourGraph, smooth_labels
from zsderm.proxies.text import batch_query, relevant_descriptions, retrieved_scores, text_proxies, with_names
from zsderm.proxies.transport import Transport, transport, transport_labels

__all__ = [
    "NEIGHBOURS",
    "FeatureChunks",
    "KnownRows",
    "LearnedProxies",
    "NeighbourGraph",
    "Refinement",
    "Transport",
    "batch_query",
    "learn_proxies",
    "multimodal_proxies",
    "refine",
    "relevant_descriptions",
    "resolve_prior",
    "retrieved_scores",
    "smooth_labels",
    "text_proxies",
    "transport",
    "transport_labels",
    "with_names",
]
