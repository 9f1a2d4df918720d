"""Chain of Options: which list of options stands beside a story, and what the answer is.

A story comes with a list of all classes, then with shorter and shorter ones: a step of the chain an epoch, and again.
Half of the wrong options are those that the knowledge base holds for most alike. The answer is in the list, but for as
many lists as the first answers of an image model lack it; then the answer is "none of these".

Letters: C classes, K chapters, O = C + 1 + K scores: classes, "none of these", chapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zsderm import KnowledgeBase
from zsderm.narratives.look_alikes import chapter_of, likeness
from zsderm.narratives.story_classifier import NONE
from zsderm.pretrain.narratives.config import NarrativesConfig
from zsderm.pretrain.narratives.rows import Story

CHAPTERS, ALL = "chapters", "all"


@dataclass(frozen=True)
class Draw:
    """One row of training."""

    step: str  # of the chain: "chapters", "all", or the length of the list
    listed: tuple[str, ...]  # options in the order of the text; empty for a text without
    allowed: NDArray[np.bool_]  # (O,): the scores that the loss is over
    answer: int  # 0 to O - 1


class Chain:
    """Draws the options of a run.

    Args:
        config: lengths, share of look-alikes, and how often the answer is missing.
        classes: C diseases of the base.
        knowledge: says which are alike, and in which chapter of the ontology they stand.
    """

    def __init__(self, config: NarrativesConfig, classes: Sequence[str], knowledge: KnowledgeBase) -> None:
        self.config, self.classes = config, tuple(classes)
        own = [chapter_of(name, knowledge) for name in classes]
        self.chapters = tuple(sorted(set(own))) if config.options == "chapters" else ()
        self._chapter = [self.chapters.index(name) for name in own] if self.chapters else []
        alike = likeness(classes, knowledge)
        np.fill_diagonal(alike, -1)
        self._neighbours = np.argsort(-alike, axis=1, kind="stable")[:, :-1]  # (C, C - 1), the most alike first
        short = tuple(str(length) for length in config.lengths if length < len(classes))
        self.steps = (*([CHAPTERS] if self.chapters else []), ALL, *(short if config.has_chain else ()))

    @property
    def outputs(self) -> int:
        """O."""
        return len(self.classes) + 1 + len(self.chapters)

    def draw(self, story: Story, index: int, epoch: int) -> Draw:
        """The options of a story in an epoch: the same whenever it is asked.

        Args:
            story: the row.
            index: its number among those trained with; neighbours in the table begin at different steps.
            epoch: counted from 0.
        """
        rng = np.random.default_rng((self.config.seed, epoch, index))
        step = self.steps[(index + epoch) % len(self.steps)]
        answer, count = self.classes.index(story.label), len(self.classes)
        allowed = np.zeros(self.outputs, bool)
        if step == CHAPTERS:
            allowed[count + 1 :] = True
            return Draw(step, self._shuffled(self.chapters, rng), allowed, count + 1 + self._chapter[answer])
        if step == ALL:
            allowed[:count] = True
            listed = () if self.config.options == "none" else self._shuffled(self.classes, rng)
            return Draw(step, listed, allowed, answer)
        chosen = self._ranked(story, int(step)) if story.options else self._alike(answer, int(step), rng)
        allowed[[*chosen, count]] = True
        names = [*(self.classes[place] for place in chosen), NONE]
        return Draw(step, self._shuffled(names, rng), allowed, answer if answer in chosen else count)

    def _ranked(self, story: Story, length: int) -> list[int]:
        """What the image model names first, whether or not the answer is among it."""
        return [self.classes.index(name) for name in story.options[:length]]

    def _alike(self, answer: int, length: int, rng: np.random.Generator) -> list[int]:
        """A list in which the answer is missing as often as the settings say."""
        with_answer = rng.random() >= self.config.missed
        wrong = length - with_answer
        near = round(wrong * self.config.look_alikes)
        order = self._neighbours[answer]
        chosen = [*rng.permutation(order[: 2 * near])[:near]]  # the nearest, but not always the same
        others = [place for place in order if place not in chosen]
        chosen += [*rng.permutation(others)[: wrong - near], *([answer] if with_answer else [])]
        return [int(place) for place in chosen]

    @staticmethod
    def _shuffled(names: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
        return tuple(names[place] for place in rng.permutation(len(names)))
