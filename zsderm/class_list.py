"""The class list and its prior, as a user gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from zsderm.config import PRIORS
from zsderm.errors import ClassListError, SettingsError, did_you_mean
from zsderm.knowledge.names import repeated
from zsderm.proxies import resolve_prior
from zsderm.wording import agrees

PriorChoice = str | Mapping[str, float] | Sequence[float] | np.ndarray | torch.Tensor


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """C distinct names without stray spaces, at least two.

    Raises:
        ClassListError: no classes, one class, an empty name, or one that comes twice, in whatever case.
    """
    if isinstance(classes, str):
        raise ClassListError(f"Expected argument `classes` to be a list of names, but got the string {classes!r}.")
    if not isinstance(classes, Iterable):
        raise ClassListError(f"Expected argument `classes` to be a list of names, but got {classes!r:.80}.")
    names = tuple(str(name).strip() for name in classes)
    if not names or not all(names):
        raise ClassListError("Expected argument `classes` to hold names, but got none or an empty one.")
    if len(names) == 1:
        raise ClassListError(
            f"Expected at least two classes, but got only {names[0]!r}: it would be the answer for every photograph. "
            "Add the classes that it may be mistaken for."
        )
    if twice := repeated(names):
        raise ClassListError(f"Expected distinct classes, but got {twice[0]!r} more than once. Remove the repeats.")
    return names


def _no_class(names: Sequence[str]) -> str:
    """The names beside the weights that are no class, as a sentence; empty where there are none."""
    some = f" There are weights for {', '.join(names[:5])}: write each name as the class list does."
    return some if names else ""


def checked_prior(prior: PriorChoice, classes: Sequence[str]) -> str | torch.Tensor:
    """A word, or (C,) float64 shares in the order of the classes.

    Args:
        prior: "auto", "uniform", "home", C weights in the order of the classes, or a mapping from class to weight.
        classes: C names.

    Raises:
        SettingsError: another word, a class without a weight, a weight without a class, or weights that make no prior.
    """
    if isinstance(prior, Mapping):
        strange = [str(name) for name in prior if name not in classes]
        if missing := [name for name in classes if name not in prior]:
            raise SettingsError(
                f"Expected a prior weight for every class, but {', '.join(missing)} "
                f"{agrees(len(missing), 'has', 'have')} none.{_no_class(strange)}"
            )
        if strange:
            raise SettingsError(
                f"Expected prior weights for the classes alone, but there are some for {', '.join(strange[:5])}: the "
                "prior is of another class list. Take out what is no class."
            )
        prior = [prior[name] for name in classes]
    if isinstance(prior, str):
        if prior not in PRIORS:
            words, hint = ", ".join(map(repr, reversed(PRIORS))), did_you_mean(prior, PRIORS)
            raise SettingsError(f"Expected prior to be {words} or {len(classes)} weights, but got {prior!r}.{hint}")
        return prior
    try:
        stated = torch.as_tensor(np.asarray(prior, np.float64) if isinstance(prior, list | tuple) else prior)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingsError(f"Expected prior to be a word or {len(classes)} numbers, but got {prior!r:.80}.") from error
    return resolve_prior(stated, torch.full((1, len(classes)), 1 / len(classes)))
