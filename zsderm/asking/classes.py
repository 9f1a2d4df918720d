"""Zero-shot classification of photographs by a model that answers in words: without training, without probabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zsderm.asking.asking import Answerer, ask_all
from zsderm.asking.class_replies import NamedClasses, first_substring
from zsderm.asking.questions import OPEN, Question
from zsderm.errors import ImageError
from zsderm.images import open_file
from zsderm.knowledge import KnowledgeBase
from zsderm.progress import counting

METHOD = "generative"  # what answered, in tables
PREFIXES = ("openai:", "transformers:")
PROMPT = (
    "Which of these classes does this photograph show? Answer with the name of one class and nothing else.\n"
    "Classes: {classes}"
)


def is_generative(model: object) -> bool:
    """Whether a name means a model that answers in words: "openai:NAME" or "transformers:FOLDER"."""
    return isinstance(model, str) and model.startswith(PREFIXES)


@dataclass(frozen=True)
class ClassReply:
    """The reply for one photograph.

    Attributes:
        image: its path.
        reply: the text of the model; empty if there is none.
        label: index of the class that the reply names, see `NamedClasses`; None for no answer.
        first: index of the class by the published reading, see `first_substring`; None for none.
        error: why the photograph could not be read; empty if it could.
        reason: why there is no reply, such as a refusal; empty if there is one.
    """

    image: str
    reply: str
    label: int | None = None
    first: int | None = None
    error: str = ""
    reason: str = ""


@dataclass(frozen=True)
class GenerativeClassifier:
    """Lists all classes in one prompt, in a different order for each photograph, and converts the reply to a class.

    Attributes:
        model: answers the prompts.
        classes: C names, in the order of the data set, on which the published reading depends.
        answers: the folder in which replies are saved.
        knowledge: provides synonyms of the classes.
        seed: of the order in which classes are listed.
    """

    model: Answerer
    classes: tuple[str, ...]
    answers: Path
    knowledge: KnowledgeBase | None = None
    seed: int = 0

    def prompt(self, image: str) -> str:
        """The prompt for a photograph; the seed and the bytes of the file determine the order of the classes."""
        try:
            with open_file(image) as stream:
                told = hashlib.sha256(stream.read()).digest()
        except ImageError:
            told = b""  # it is not asked about
        order = np.random.default_rng([self.seed, int.from_bytes(told[:8], "big")]).permutation(len(self.classes))
        return PROMPT.format(classes=", ".join(self.classes[place] for place in order))

    def predict(self, images: Sequence[str], progress: bool = False) -> list[ClassReply]:
        """N replies, one for each photograph.

        Args:
            images: N paths.
            progress: show a progress bar on stderr.

        Raises:
            InputError: the model does not answer; earlier replies are saved.
        """
        names = NamedClasses(self.classes, self.knowledge)
        questions = [Question(str(n), image, self.prompt(image), form=OPEN) for n, image in enumerate(images)]
        with counting("Asking", len(images), progress) as advance:
            rows = ask_all(questions, self.model, self.answers, advance=advance)
        found = []
        for image, row in zip(images, rows, strict=True):
            unread = row.reason if row.unread else ""
            found.append(
                ClassReply(
                    image,
                    row.prediction,
                    names.read(row.prediction),
                    first_substring(row.prediction, self.classes),
                    unread,
                    "" if unread else row.reason,
                )
            )
        return found
