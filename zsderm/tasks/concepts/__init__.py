"""Visual concepts in photographs: a list of them, their scores, and the agreement with labels."""

from zsderm.tasks.concepts.agreement import Agreement, agreement
from zsderm.tasks.concepts.annotation import ConceptScores, annotate
from zsderm.tasks.concepts.concept_list import Concept, ConceptVocabulary, PromptPair

__all__ = ["Agreement", "Concept", "ConceptScores", "ConceptVocabulary", "PromptPair", "agreement", "annotate"]
