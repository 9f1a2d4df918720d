"""Questions about photographs, answered in words by a vision-language model or by visual concepts.

questions        the questions and their photographs, from a table, from conversations, or one question for all images
pictures         a photograph in the form in which it is sent to a model: its pixels only
phrasing         the prompt for a question
sampling         the decoding settings
served           a model behind an OpenAI-compatible endpoint
local            a transformers model in a folder, with or without an adapter
concept_answers  answers yes and no from scores of visual concepts, without a language model
asking           many questions: answers are saved, interrupted runs continue, each question is a row
class_replies    the class that a reply names
classes          classification of photographs with such a model

Letters: N questions, C classes, B questions at a time.
"""

from zsderm.asking.asking import ask_all
from zsderm.asking.class_replies import NamedClasses, first_substring
from zsderm.asking.phrasing import NO_ANSWER
from zsderm.asking.questions import Question, of_all_images, read_questions
from zsderm.asking.sampling import Sampling

__all__ = [
    "NO_ANSWER",
    "NamedClasses",
    "Question",
    "Sampling",
    "ask_all",
    "first_substring",
    "of_all_images",
    "read_questions",
]
