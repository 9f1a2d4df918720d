"""Everything that zsderm raises on purpose, in one tree.

::

    ZsdermError                        a mistake the user can mend; the command line prints it as one sentence
    ├── InputError (ValueError)        an argument or a file that cannot be used
    │   ├── SettingsError              a setting out of range, or two that contradict each other
    │   ├── ClassListError             no classes, duplicate classes, an unreadable class list
    │   ├── AnswerError                one answer of a language model that cannot be used
    │   ├── WrongTypeError (TypeError) an argument of another kind than those that are taken
    │   ├── ImageError                 a folder without images, or one image that cannot be read
    │   └── PretrainingDataError       a caption table that contradicts itself
    ├── NotFoundError (LookupError)    a name that leads nowhere, with the nearest names that do
    │   ├── UnknownModelError
    │   ├── UnknownKnowledgeBaseError
    │   └── UnknownClassError
    │       └── AmbiguousClassError    an abbreviation that several diseases go by, with what it may mean
    ├── CheckpointError (RuntimeError) a checkpoint that is incomplete, or whose parts do not fit together
    └── MissingDependencyError (ImportError)  an optional package, with the command that installs it

    ZsdermWarning (UserWarning)
    ├── ConvergenceWarning             an iteration stopped at its cap; the message carries the residual
    └── FallbackWarning                something simpler was used than was asked for
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ZsdermError(Exception):
    """Root of every error that zsderm raises on purpose."""


class InputError(ZsdermError, ValueError):
    """An argument or a file that cannot be used."""


class SettingsError(InputError):
    """A setting out of range, or two settings that contradict each other."""


class ClassListError(InputError):
    """A class list that is empty, has duplicates or cannot be read."""


class WrongTypeError(InputError, TypeError):
    """An argument of another kind than those that are taken."""


class AnswerError(InputError):
    """One answer of a language model that cannot be used; others may be fine."""


class ImageError(InputError):
    """A folder without images, or one image that cannot be read."""


class PretrainingDataError(InputError):
    """A caption table that contradicts itself."""


class NotFoundError(ZsdermError, LookupError):
    """A name that leads nowhere."""


class UnknownModelError(NotFoundError):
    """No encoder goes by that name."""


class UnknownKnowledgeBaseError(NotFoundError):
    """No knowledge base goes by that name."""


class UnknownClassError(NotFoundError):
    """A class name that a knowledge base does not hold."""


class AmbiguousClassError(UnknownClassError):
    """An abbreviation that several diseases of a knowledge base go by.

    Args:
        message: what is said.
        meanings: names of these diseases.
    """

    def __init__(self, message: str, meanings: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.meanings = tuple(meanings)


class CheckpointError(ZsdermError, RuntimeError):
    """A checkpoint that is incomplete, or whose parts do not fit together."""


class MissingDependencyError(ZsdermError, ImportError):
    """An optional package that is not installed."""


class ZsdermWarning(UserWarning):
    """Root of every warning of zsderm."""


class ConvergenceWarning(ZsdermWarning):
    """An iteration stopped at its cap before it met its tolerance."""


class FallbackWarning(ZsdermWarning):
    """Something simpler was used than was asked for."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence naming the closest known names, or an empty string.

    >>> did_you_mean("melanma", ["melanoma", "nevus"])
    " Did you mean 'melanoma'?"
    """
    close = get_close_matches(name.lower(), list(known), n=3, cutoff=0.6)
    return " Did you mean " + " or ".join(f"'{match}'" for match in close) + "?" if close else ""
