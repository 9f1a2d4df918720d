"""The quality of a knowledge base, measured with a sentence model and an encoder."""

from zsderm.encoders.sentence_model import SentenceModel
from zsderm.tasks.knowledge_quality.measure import quality
from zsderm.tasks.knowledge_quality.report import QualityReport
from zsderm.tasks.knowledge_quality.suggest_names import suggest_names

__all__ = ["QualityReport", "SentenceModel", "quality", "suggest_names"]
