"""A trained model of stories beside photographs: its classes read as those that are asked for, its mix taken out.

The classes of the model count for the asked ones as labels of a table do: by name, as another name of the same disease,
or as a disease that an asked class holds. For a class c and the classes m of the model that count for it,

    L(c) = sum_m p(m | story, options) / sum_m n(m),

with n(m) the share of m among the stories of the training, which would count twice beside a photograph otherwise. What
is by words is L, scaled to sum to 1. A class that the model does not know has the share 1/C that it would have if
nothing were told, and the others share the rest, so words neither raise nor lower it
(`zsderm.narratives.fusion`: s = 0).

The options are, of the classes that the model knows, those of the photograph's prediction set where it was calibrated,
or else the first ones by photograph.

Letters: N stories, C classes that are asked for, K classes of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import torch

from zsderm.class_labels import places
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.errors import SettingsError, UnknownClassError, WrongTypeError
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.same_disease import SameDiseases, same_diseases
from zsderm.narratives.given import OPTIONS
from zsderm.narratives.words_model import WordsModel
from zsderm.wording import counted

LEAST = 2  # options: a list of one was never trained with


@dataclass(frozen=True, eq=False)
class TrainedWords:
    """A model of stories for C classes.

    Attributes:
        model: the trained model.
        classes: C names that are asked for.
        place: (K,) int64, the asked class that each class of the model counts for; -1 for none.
        read_as: name of the model -> the class that it counts for, where the two are spelt otherwise.
        first: how many classes by photograph are options; None: its prediction set, or `OPTIONS` where it has none.
    """

    model: WordsModel
    classes: tuple[str, ...]
    place: torch.Tensor
    read_as: Mapping[str, str]
    first: int | None = None

    @classmethod
    def of(
        cls,
        model: WordsModel | str | Path,
        classes: Sequence[str],
        base: KnowledgeBase | None = None,
        first: int | None = None,
        device: str = "cpu",
    ) -> TrainedWords:
        """Read a model, and its classes as those that are asked for.

        Args:
            model: a model of stories, or its folder.
            classes: C names.
            base: knows the names of diseases; None for the bundled base.
            first: see the class.
            device: of a model that is read from its folder.

        Raises:
            CheckpointError: the folder holds no such model, or not all of it.
            UnknownClassError: the model knows fewer than two of the classes.
            SettingsError: fewer than `LEAST` options, or no whole number of them.
            WrongTypeError: it is neither a model nor a folder.
        """
        if first is not None and not (isinstance(first, Integral) and first >= LEAST):
            raise SettingsError(
                f"expected `words_options` to be a whole number, {LEAST} or more, but got {first!r:.60}"
            )
        if not isinstance(model, WordsModel | str | Path):
            raise WrongTypeError(f"expected `words_model` to be a WordsModel or its folder, but got {model!r:.60}")
        found = model if isinstance(model, WordsModel) else WordsModel.load(model, device)
        spelt = places(found.classes, classes)
        strangers = [name for name in found.classes if name not in spelt]
        base = KnowledgeBase.load(DEFAULT_KNOWLEDGE) if base is None else base
        others = same_diseases(strangers, found.classes, classes, base) if strangers else SameDiseases({}, {})
        place = torch.tensor([(spelt | others.places).get(name, -1) for name in found.classes])
        named = {name: classes[index] for name, index in others.places.items()}
        own = cls(found, tuple(classes), place, named, first)
        if len(own.known) < LEAST:
            knows = f"only {classes[own.known[0]]}" if own.known else "none"
            raise UnknownClassError(
                f"of the {counted(len(classes), 'class', 'classes')} the model of stories knows {knows}, and it needs "
                f"{LEAST} or more to choose among. It was trained for: {', '.join(found.classes)}. Ask for some of "
                "these, or leave out the model: then stories are read without training."
            )
        return own

    @property
    def known(self) -> list[int]:
        """The places of the asked classes that the model knows, in their order."""
        return sorted({index for index in self.place.tolist() if index >= 0})

    @property
    def unknown(self) -> list[str]:
        """The asked classes that it does not know."""
        known = set(self.known)
        return [name for index, name in enumerate(self.classes) if index not in known]

    def by_words(
        self, stories: Sequence[str | None], by_image: torch.Tensor, sets: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What each story says of the classes, beside its photograph.

        Args:
            stories: N stories without names of diseases; None where nothing can be read.
            by_image: (N, C) probabilities by the photographs; a row of NaN leaves all classes as options.
            sets: (N, C) bool, their prediction sets; None where they were not calibrated.

        Returns:
            (N, C) float32 rows that sum to 1; NaN where there is no story.
        """
        table = torch.full(by_image.shape, torch.nan)
        read = [row for row, story in enumerate(stories) if story is not None]
        lists = [self.options(by_image[row], None if sets is None else sets[row]) for row in read]
        pairs = [(str(stories[row]), tuple(names)) for row, names in zip(read, lists, strict=True)]
        asked = {pair: row for row, pair in enumerate(dict.fromkeys(pairs))}  # many photographs may share a story
        if asked:
            found = self._shares([story for story, _ in asked], [names for _, names in asked])
            table[read] = found[[asked[pair] for pair in pairs]]
        return table

    def options(self, by_image: torch.Tensor, inside: torch.Tensor | None = None) -> list[str]:
        """The options that the model gets beside one photograph, by its own names, the most probable one first.

        Args:
            by_image: (C,) probabilities.
            inside: (C,) bool, the prediction set.
        """
        known = self.known
        if not by_image.isnan().any():
            ranked = sorted(known, key=lambda index: -float(by_image[index]))
            count = max(LEAST, self.first or OPTIONS)
            if inside is not None and self.first is None:
                known = [c for rank, c in enumerate(ranked) if rank < LEAST or bool(inside[c])]
            else:
                known = ranked[:count]
        counting = self.place.tolist()
        return [name for c in known for name, place in zip(self.model.classes, counting, strict=True) if place == c]

    def facts(self, sets: bool) -> dict[str, Any]:
        """What a manifest says of the model, ready for JSON.

        Args:
            sets: whether there were prediction sets.
        """
        return {
            "name": str(self.model.card.card.get("name", "")),
            "fingerprint": self.model.fingerprint,
            "trained_with_options": self.model.card.options,
            "options": "prediction set" if sets and self.first is None else self.first or OPTIONS,
            "read_as": dict(self.read_as),
            "unknown": self.unknown,
        }

    def remarks(self, sets: bool) -> Iterator[str]:
        """What a reader of the answers should know of the model.

        Args:
            sets: see `facts`.
        """
        first = min(self.first or OPTIONS, len(self.known))
        which = "prediction set" if sets and self.first is None else f"first {first} classes"
        yield (
            f"The model of stories chose among the {which} by photograph, so the answer by words depends on the "
            "photograph as well."
        )
        if self.read_as:
            told = ", ".join(f"{name} = {asked}" for name, asked in self.read_as.items())
            yield f"Classes of the model of stories are read as: {told}."
        if self.unknown:
            yield f"The model of stories does not know {', '.join(self.unknown)}: words neither raise nor lower them."
        if self.model.prior is None:
            yield (
                "The model of stories does not say how often it saw each class in training, so classes that were "
                "common there may be favoured."
            )

    def _shares(self, stories: Sequence[str], options: Sequence[Sequence[str]]) -> torch.Tensor:
        """(N, C) float32, see the module."""
        logs = self.model.log_probabilities(stories, options)  # (N, K)
        prior = self.model.prior
        prior = torch.ones(logs.shape[1], dtype=torch.float64) if prior is None else prior
        table = torch.full((len(stories), len(self.classes)), 1 / len(self.classes), dtype=torch.float64)
        odds = [logs[:, self.place == c].logsumexp(dim=1) - prior[self.place == c].sum().log() for c in self.known]
        table[:, self.known] = torch.stack(odds, dim=1).softmax(dim=1) * (len(self.known) / len(self.classes))
        return table.float()
