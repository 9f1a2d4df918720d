"""How good answers to questions about pictures are: words, closed questions, and what needs no picture.

`table` reads answers, `normal_form` makes texts comparable, `replies` finds a yes, a no or an option in what a model
says; `overlap` and `bert_similarity` compare texts, `scores` gives the figures with intervals, `text_only` and
`baselines` answer without looking at the picture, or by the caption of another one.
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
