"""The sentences of each class: what the text tower reads under each method."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from zsderm.errors import FallbackWarning, UnknownClassError
from zsderm.knowledge.base import Description, KnowledgeBase
from zsderm.knowledge.prompts import described, template_prompts


@dataclass(frozen=True)
class Sentence:
    """One sentence for one class, and the description in it if it holds one."""

    text: str
    class_index: int
    description: Description | None = None


def class_sentences(classes: Sequence[str], method: str, knowledge: KnowledgeBase | None) -> list[Sentence]:
    """What the text tower reads for each class.

    Args:
        classes: C class names as the user gave them.
        method: "class-name" reads the bare name, "templates" the name in every template; every other method reads the
            descriptions of the knowledge base, each in a sentence that names the disease.
        knowledge: the knowledge base; None means templates for every class.

    Returns:
        M sentences, class by class, at least one per class: a class that the base does not describe gets templates,
        with a FallbackWarning.
    """
    if method == "class-name":
        return [Sentence(name, index) for index, name in enumerate(classes)]
    if method == "templates" or knowledge is None:
        return [sentence for index, name in enumerate(classes) for sentence in _templates(name, index)]
    found = knowledge.descriptions_for(classes)
    names = spoken_names(classes, knowledge)
    sentences: list[Sentence] = []
    for index, given in enumerate(classes):
        pooled = _canonical(given, knowledge) in knowledge.groups  # each description then names its own disease
        texts = [Sentence(described(d.disease if pooled else names[index], d.text), index, d) for d in found[given]]
        sentences += texts or _templates(given, index)
    return sentences


def spoken_names(classes: Sequence[str], knowledge: KnowledgeBase) -> list[str]:
    """The name used in the sentences of each class: the canonical one, which the text tower knows best.

    Classes that mean the same disease keep the names they were given, with a FallbackWarning: only their names set them
    apart.

    Args:
        classes: C class names as the user gave them.
        knowledge: the knowledge base.

    Returns:
        C names.
    """
    canonical = [_canonical(name, knowledge) for name in classes]
    shared = {name for name, count in Counter(canonical).items() if count > 1}
    for name in sorted(shared):
        twins = [given for given, disease in zip(classes, canonical, strict=True) if disease == name]
        warnings.warn(
            f"classes {', '.join(map(repr, twins))} are all {name!r} in knowledge base {knowledge.name!r}; "
            "only their names tell them apart.",
            FallbackWarning,
            stacklevel=3,
        )
    return [given if name in shared else name for given, name in zip(classes, canonical, strict=True)]


def _canonical(name: str, knowledge: KnowledgeBase) -> str:
    try:
        return knowledge.find(name).name
    except UnknownClassError:
        return name


def _templates(name: str, class_index: int) -> list[Sentence]:
    return [Sentence(prompt, class_index) for prompt in template_prompts(name)]
