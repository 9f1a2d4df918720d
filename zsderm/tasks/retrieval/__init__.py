"""Search for photographs and sentences by a text or a photograph, and recall: how often the right one is found."""

from zsderm.tasks.retrieval.captioned_images import CaptionedImages
from zsderm.tasks.retrieval.description_search import nearest_descriptions
from zsderm.tasks.retrieval.embedded_index import EmbeddedIndex
from zsderm.tasks.retrieval.image_index import ImageIndex, nearest_texts
from zsderm.tasks.retrieval.recall import RecallReport, recall_both_ways

__all__ = [
    "CaptionedImages",
    "EmbeddedIndex",
    "ImageIndex",
    "RecallReport",
    "nearest_descriptions",
    "nearest_texts",
    "recall_both_ways",
]
