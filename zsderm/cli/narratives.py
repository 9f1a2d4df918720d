"""What patients tell beside the photographs of ``zsderm classify``: the options, and the answers with them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from zsderm.cli.help import IMAGES, option
from zsderm.cli.options import FILE, all_of
from zsderm.cli.places import looks_like_path, what_it_is
from zsderm.cli.talk import timed

if TYPE_CHECKING:
    from zsderm import Predictions
    from zsderm.groups import GroupPredictions
    from zsderm.knowledge import KnowledgeBase
    from zsderm.narratives.trained_words import TrainedWords

Called = TypeVar("Called", bound=Callable[..., object])
WEIGHT, TRAINED_WEIGHT, HEAVIEST, OPTIONS = 1.5, 0.5, 10.0, 3  # those of zsderm.narratives.given
LEAST = 2  # that of zsderm.narratives.trained_words, which takes torch to import

_options = all_of(
    option(
        "--narratives",
        type=FILE,
        heading=IMAGES,
        help="A table of what patients tell, in English, with an image column (or, with --group-by, a column of cases) "
        "and a column narrative. Answers are then by image and words together.",
    ),
    option(
        "--narrative",
        metavar="TEXT",
        heading=IMAGES,
        help="What the patient tells, in English, instead of a table; it counts for all images.",
    ),
    option(
        "--words-weight",
        type=click.FloatRange(0, HEAVIEST),
        heading=IMAGES,
        help="How much words count beside the photograph; 0: not at all.  "
        f"[default: {WEIGHT}, or {TRAINED_WEIGHT} with --words-model]",
    ),
    option(
        "--words-model",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        heading=IMAGES,
        help="The folder of a model that zsderm pretrain narratives has trained; it then reads the stories.  [default: "
        "no such model; stories are compared with the knowledge base by the bundled sentence model]",
    ),
    option(
        "--words-options",
        type=click.IntRange(min=LEAST),
        heading=IMAGES,
        help="How many classes, the most probable by photograph, --words-model chooses among.  [default: the "
        f"prediction set of --calibration, or {OPTIONS}]",
    ),
)


@dataclass(frozen=True)
class PatientWords:
    """What the options say of patients' words.

    Attributes:
        table, one: --narratives and --narrative.
        weight: of the words; None for the default.
        model, options: of a trained model.
    """

    table: Path | None
    one: str | None
    weight: float | None
    model: Path | None
    options: int | None

    @property
    def given(self) -> bool:
        """Whether there are any."""
        return self.table is not None or self.one is not None

    def check(self, knowledge: str) -> None:
        """Refuse options that do not go together.

        Raises:
            UsageError: they do not.
        """
        if self.table is not None and self.one is not None:
            raise click.UsageError(
                "--narratives and --narrative exclude each other: a table, or the words of one patient."
            )
        idle = {"weight": self.weight is not None, "model": self.model is not None, "options": self.options is not None}
        if not self.given and any(idle.values()):
            name = next(name for name, said in idle.items() if said)
            raise click.UsageError(f"--words-{name} needs --narratives or --narrative: no words are given.")
        if self.options is not None and self.model is None:
            raise click.UsageError("--words-options needs --words-model: only such a model chooses among options.")
        if self.given and self.model is None and knowledge == "none":
            told = "--narrative" if self.table is None else "--narratives"
            raise click.UsageError(
                f"{told} cannot be given with --knowledge none, because the knowledge base says what patients report. "
                "Leave out --knowledge none, or give --words-model."
            )
        if self.weight is not None and math.isnan(self.weight):
            raise click.UsageError(f"--words-weight is no number. Give one from 0 to {HEAVIEST:g}.")
        if self.one is not None and not any(character.isalpha() for character in self.one):
            raise click.UsageError(f"--narrative {self.one!r:.40} has no word. Write what the patient tells.")
        file = (self.one or "").strip().removeprefix("@")
        if " " not in file and file and looks_like_path(file):
            found = "such a file" if os.path.isfile(file) else what_it_is(file)
            raise click.UsageError(
                f"--narrative takes what the patient tells, but {self.one!r:.60} looks like a path, and there is "
                f"{found}. A table of stories goes to --narratives."
            )

    def of_images(
        self, images: Sequence[str], image_column: str | None, cases: Sequence[str] | None
    ) -> list[str] | None:
        """The story of each image, empty where the table has none; None without stories.

        Raises:
            InputError: the table does not fit; see `zsderm.narratives.table`.
        """
        if self.one is not None:
            return [self.one] * len(images)
        if self.table is None:
            return None
        from zsderm.narratives.table import read_narratives

        return read_narratives(self.table, image_column).of_images(images, cases)

    def trained(
        self, classes: Sequence[str], knowledge: KnowledgeBase | None, device: str | None
    ) -> TrainedWords | None:
        """The trained model, while a spinner turns; None where none is asked for.

        Raises:
            CheckpointError, UnknownClassError: see `zsderm.narratives.trained_words.TrainedWords.of`.
        """
        if self.model is None:
            return None
        from zsderm.encoders.torch_encoder import choose_device
        from zsderm.narratives.trained_words import TrainedWords

        folder, options, where = self.model, self.options, str(choose_device(device))
        return cast(
            "TrainedWords",
            timed(f"Loading {folder}", lambda: TrainedWords.of(folder, classes, knowledge, options, where)),
        )

    def joined(
        self,
        predictions: Predictions,
        grouped: GroupPredictions | None,
        stories: Sequence[str] | None,
        knowledge: KnowledgeBase | None,
        **how: Any,
    ) -> tuple[Predictions, GroupPredictions | None]:
        """Both answers with what patients tell, after the calibration, which is of photographs.

        Args:
            predictions: by photographs.
            grouped: by lesions or patients.
            stories: one for each image.
            knowledge: says what patients report.
            how: cache and trained, see `zsderm.narratives.answers.with_words`.
        """
        if stories is None:
            return predictions, grouped
        from zsderm.narratives.answers import groups_with_words, with_words

        if grouped is None:
            return with_words(predictions, stories, knowledge, self.weight, **how), None
        found = groups_with_words(grouped, stories, knowledge, self.weight, **how)
        return found.photographs, found


def narrative_options(command: Called) -> Called:
    """The options of what patients tell; the command gets ``words``, a `PatientWords`."""

    @wraps(command)
    def wrapped(
        *arguments: Any,
        narratives: Path | None,
        narrative: str | None,
        words_weight: float | None,
        words_model: Path | None,
        words_options: int | None,
        **options: Any,
    ) -> object:
        words = PatientWords(narratives, narrative, words_weight, words_model, words_options)
        return command(*arguments, words=words, **options)

    return cast("Called", _options(wrapped))
