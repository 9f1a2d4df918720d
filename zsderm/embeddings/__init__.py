"""Turn images and texts into unit rows; rows that an earlier run has kept on disk are not computed again.

image_features  images to rows, in memory or batch by batch
text_features   texts to rows
cache           rows of earlier runs
feature_files   rows with their paths, their errors and the encoder's fingerprint, in a file
vector_index    the rows most like a query, found with FAISS
"""

from __future__ import annotations

from zsderm.embeddings.cache import FeatureCache
from zsderm.embeddings.feature_files import StoredEmbeddings, read_embeddings, write_embeddings
from zsderm.embeddings.image_features import (
    EmbeddableImage,
    ImageEmbeddings,
    NamedEmbeddings,
    embed_batches,
    embed_images,
)
from zsderm.embeddings.text_features import embed_texts

__all__ = [
    "EmbeddableImage",
    "FeatureCache",
    "ImageEmbeddings",
    "NamedEmbeddings",
    "StoredEmbeddings",
    "embed_batches",
    "embed_images",
    "embed_texts",
    "read_embeddings",
    "write_embeddings",
]
