"""Turn images and texts into unit rows; rows that an earlier run has kept on disk are not computed again.

image_features     images to rows, in memory or batch by batch
text_features      texts to rows
cache              rows of earlier runs
decoding_ahead     images that threads prepare while the encoder works
named_embeddings   rows in memory, with the names of their images and the reasons of those that have none
stored_embeddings  the same out of files, a stretch at a time
feature_files      rows with their paths, their errors and the encoder's fingerprint, in a file
dataset_folder     the same in a folder of many files: its list of images, its manifest, its parts
dataset_list       the list of images of such a folder
dataset_rows       the rows of such a folder, read where they are asked for
embedded_dataset   photographs into such a folder, by one engine or another; goes on where a run stopped
rows_by_image      stored rows, found again by the names of their images
nearest_rows       the rows most like a query, exactly
row_blocks         rows that are too many for memory, from first to last or named one by one
vector_index       the rows most like a query, found with FAISS, in memory
class_index        the same for the rows of one class at a time
disk_index         the same for millions of rows that stay on disk
"""

from __future__ import annotations

from zsderm.embeddings.cache import FeatureCache
from zsderm.embeddings.dataset_folder import DatasetFolder
from zsderm.embeddings.dataset_rows import DatasetRows
from zsderm.embeddings.embedded_dataset import Engine, LocalEngine, embed_dataset
from zsderm.embeddings.feature_files import is_embeddings, read_embeddings, write_embeddings
from zsderm.embeddings.image_features import (
    EmbeddableImage,
    ImageEmbeddings,
    embed_batches,
    embed_images,
)
from zsderm.embeddings.named_embeddings import NamedEmbeddings
from zsderm.embeddings.rows_by_image import embeddings_of
from zsderm.embeddings.stored_embeddings import StoredEmbeddings
from zsderm.embeddings.text_features import embed_texts

__all__ = [
    "DatasetFolder",
    "DatasetRows",
    "EmbeddableImage",
    "Engine",
    "FeatureCache",
    "ImageEmbeddings",
    "LocalEngine",
    "NamedEmbeddings",
    "StoredEmbeddings",
    "embed_batches",
    "embed_dataset",
    "embed_images",
    "embed_texts",
    "embeddings_of",
    "is_embeddings",
    "read_embeddings",
    "write_embeddings",
]
