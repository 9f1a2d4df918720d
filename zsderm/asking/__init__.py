"""Questions about photographs, put to a model that answers in words.

questions        what is asked of which photograph: a table, conversations, or one question for all
pictures         a photograph as it goes to a model: pixels alone
phrasing         a question in the words in which a model is asked
sampling         how an answer is drawn
served           a model behind an OpenAI-compatible endpoint
local            a model of transformers in a folder, with or without an adapter
concept_answers  yes and no by the scores of visual concepts, without a language model
asking           many questions: kept, resumed, a row each
class_replies    the class that a reply names
classes          which of several classes a photograph shows, by such a model

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
