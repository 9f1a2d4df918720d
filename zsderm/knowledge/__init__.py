"""What a disease looks like, in sentences: loading, finding, indexing and checking knowledge bases.

`ClassIndex` stays in `zsderm.embeddings.class_index`, because it brings FAISS with it.
"""

from zsderm.knowledge.base import Description, Disease, KnowledgeBase, KnowledgeCard
from zsderm.knowledge.reported import Report

__all__ = ["Description", "Disease", "KnowledgeBase", "KnowledgeCard", "Report"]
