"""Scores for answers to questions about pictures, and baselines that do not see the picture.

`table` reads tables of answers, `normal_form` normalises texts, and `replies` finds a yes, a no or an option in a
reply. `overlap` and `bert_similarity` compare texts, and `scores` computes the figures with intervals. `text_only` and
`baselines` answer from the text of the question, or with the caption of another picture.
"""

from zsderm.metrics.answers.baselines import by_caption, by_majority, by_text
from zsderm.metrics.answers.bert_similarity import BertSimilarity
from zsderm.metrics.answers.scores import AnswerScores, Figure, ScoredAnswers, score_answers
from zsderm.metrics.answers.table import CHOICE, CLOSED, FORMS, OPEN, AnsweredQuestion, read_answers
from zsderm.metrics.answers.text_only import Guess, TextOnlyModel, cross_fitted

__all__ = [
    "CHOICE",
    "CLOSED",
    "FORMS",
    "OPEN",
    "AnswerScores",
    "AnsweredQuestion",
    "BertSimilarity",
    "Figure",
    "Guess",
    "ScoredAnswers",
    "TextOnlyModel",
    "by_caption",
    "by_majority",
    "by_text",
    "cross_fitted",
    "read_answers",
    "score_answers",
]
