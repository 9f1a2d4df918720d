"""What a reader of answers is told of what was learned from images: in one sentence, and why where nothing was."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zsderm.class_texts import ClassTexts
from zsderm.config import HOME_PRIOR, Settings
from zsderm.fitted import Fitted, least_images
from zsderm.home_prior import is_home
from zsderm.proxies.guard import MIN_EVIDENCE_IMAGES
from zsderm.wording import counted

_FINE = "Nothing is wrong, and nothing needs to be done."
_CROWDED = (
    "The encoder was never shown most of these classes. Such a class may take photographs from the others; prior "
    "'home' may make that rarer."
)


def refinement_sentence(
    fitted: Fitted, changed: int, answered: int, *, beforehand: bool, smoothed: bool = False
) -> str:
    """What was done, why, and how many answers that changed.

    Args:
        fitted: what answers.
        changed: how many answers are not those of the text proxies.
        answered: how many answers there are.
        beforehand: see `learning_notes`.
        smoothed: whether the answers were smoothed as well, which may have changed some of them.

    Returns:
        A sentence or two, such as "Refined: the photographs form groups that fit the refined answers better. 37 of 312
        answers changed." Empty where no refinement was asked for.
    """
    if not fitted.reason:
        return ""
    if not fitted.refined:
        return f"Not refined{' by the fit' if beforehand else ''}: {fitted.reason}."
    batch = f" on the {counted(fitted.images, 'photograph')} of the fit" if beforehand else ""
    done = "Prior home" if fitted.prior == HOME_PRIOR else f"Refined{batch}"  # home learns from no batch
    if answered == 1:
        return f"{done}: {fitted.reason}. The answer {'changed' if changed else 'did not change'}."
    also = ", by this and the smoothing together" if smoothed else ""
    return f"{done}: {fitted.reason}. {changed or 'None'} of {counted(answered, 'answer')} changed{also}."


def learning_notes(
    fitted: Fitted,
    settings: Settings,
    prior: str | torch.Tensor,
    texts: ClassTexts,
    *,
    beforehand: bool,
    classes: Sequence[str] = (),
    crowded: bool = False,
) -> list[str]:
    """Notes on what was not learned from a batch, and on a stated prior that is not used, on few images, or rules out.

    Args:
        fitted: what answers.
        settings: what was asked for.
        prior: as it was asked for: a word, or (C,) shares.
        texts: the sentences of all classes.
        beforehand: whether the batch was that of an earlier fit, and not the images that are answered.
        classes: C class names, of which a prior may rule some out.
        crowded: see `crowded_home`.

    Returns:
        Notes, none where everything was done as asked. Where nothing was refined there is one, which begins with
        `refinement_sentence`.
    """
    stated = _stated(prior)
    if fitted.refined:
        used = stated and not is_home(prior)
        return [*_ruled_out(prior, classes, beforehand), *_on_few(fitted, settings, beforehand)] if used else []
    if not (fitted.reason or stated):
        return []
    if not fitted.reason:
        return [f"{stated} was not used: the method {settings.method!r} uses no prior. Only 'kpl' does."]
    sentence, answers = refinement_sentence(fitted, 0, 0, beforehand=beforehand), _source(texts)
    if stated:
        return [f"{sentence} {stated} was not used: the answers come {answers}, as they would without a prior."]
    told = f"{sentence} The answers come {answers}. {_CROWDED if crowded else _FINE}"
    if fitted.images < Settings.min_images:  # nothing that is said of them would help
        return [told]
    few = fitted.images < least_images(prior, texts.class_count, settings)
    return [f"{told} {_advice(few, beforehand)}"]


def _ruled_out(prior: str | torch.Tensor, classes: Sequence[str], beforehand: bool) -> list[str]:
    """The classes whose weight is 0: no photograph that was learned from has such a label."""
    out = [] if isinstance(prior, str) else [name for name, weight in zip(classes, prior, strict=True) if weight == 0]
    if not out:
        return []
    return [
        f"The prior that was given has a weight of 0 for {', '.join(out)}. Such a class is hardly ever an answer, and "
        f"its photographs get another one. If it may occur, {'fit again and ' if beforehand else ''}state about how "
        "common it is."
    ]


def _on_few(fitted: Fitted, settings: Settings, beforehand: bool) -> list[str]:
    """What a stated prior does to a batch in which chance makes the class mix another one."""
    if fitted.images >= MIN_EVIDENCE_IMAGES:
        return []
    batch = f"the {counted(fitted.images, 'photograph')}{' of the fit' if beforehand else ''}"
    smoothed = settings.smooth > 0 and not beforehand  # a fit is not smoothed
    return [
        f"{'Before they were smoothed, the' if smoothed else 'The'} probabilities were moved until their mean over "
        f"{batch} was about the class mix that was stated; the labels may have another mix. Among so few, chance alone "
        "makes the real mix another one, and right answers may become wrong. State it for a larger folder of the same "
        "kind, and fit on that."
    ]


def _advice(few: bool, beforehand: bool) -> str:
    """What a user may do who has more photographs, or knows more of these."""
    if few:
        again = "fit again" if beforehand else "fit"
        return (
            f"What may help: {again} on a larger folder of the same kind, and say how common the classes are there "
            "(prior)."
        )
    if beforehand:
        return "If you know how common the classes are among such photographs, fit again and say so (prior)."
    return "If you know how common the classes are among them, say so (prior): then the method learns from them."


def _stated(prior: str | torch.Tensor) -> str:
    """The class mix that a user stated, as the subject of a sentence; empty where none was."""
    if not isinstance(prior, str):
        return "The prior that was given (a weight for each class)"
    return "" if prior == "auto" else f"The prior {prior!r}"


def _source(texts: ClassTexts) -> str:
    """Where answers come from that nothing was learned for."""
    if len(texts.undescribed) == texts.class_count:
        return "from the names of the classes alone"
    if texts.undescribed:
        return "from what is written about the classes, or from a name alone where nothing is written"
    return "from what is written about the classes alone"
