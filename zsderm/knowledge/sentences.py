"""The sentences of each class: what the text tower reads under each method."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from zsderm.errors import FallbackWarning
from zsderm.knowledge.base import Description, KnowledgeBase
from zsderm.knowledge.class_names import ClassNames
from zsderm.knowledge.prompts import described, template_prompts


@dataclass(frozen=True)
class Sentence:
    """One sentence for one class, and the description in it if it holds one."""

    text: str
    class_index: int
    description: Description | None = None


def class_sentences(
    names: ClassNames, method: str, knowledge: KnowledgeBase | None, which: str = "known"
) -> list[Sentence]:
    """What the text tower reads for each class.

    Args:
        names: of C classes.
        method: "class-name" reads the bare names, "templates" the names in every template; every other method reads the
            descriptions of the knowledge base, each in a sentence that names the disease.
        knowledge: the knowledge base; None means templates for every class.
        which: "known" reads all names that the base knows for a class, "typed" the one as the user gave it.

    Returns:
        M sentences, class by class, at least one per class: a class that the base does not describe gets templates,
        with a FallbackWarning.

    Raises:
        AmbiguousClassError: descriptions are asked of a name that is an abbreviation of several diseases.

    Warns:
        FallbackWarning: a class goes without descriptions, or several mean one disease.
    """
    spoken = names.in_prompts(method, which)
    if method == "class-name":
        return [Sentence(name, index) for index, own in enumerate(spoken) for name in own]
    if method == "templates" or knowledge is None:
        return [sentence for index, own in enumerate(spoken) for sentence in _templates(own, index)]
    found = knowledge.descriptions_for(names.meant)
    _warn_of_twins(names, knowledge)
    sentences: list[Sentence] = []
    for index, (meant, named) in enumerate(zip(names.meant, names.described, strict=True)):
        pooled = names.canonical[index] in knowledge.groups  # each description then names its own disease
        texts = [Sentence(described(d.disease if pooled else named, d.text), index, d) for d in found[meant]]
        sentences += texts or _templates(spoken[index], index)
    return sentences


def _warn_of_twins(names: ClassNames, knowledge: KnowledgeBase) -> None:
    for twin in names.twins:
        same = [given for given, name in zip(names.typed, names.canonical, strict=True) if name == twin]
        warnings.warn(
            f"classes {', '.join(map(repr, same))} are all {twin!r} in knowledge base {knowledge.name!r}; "
            "only their names tell them apart.",
            FallbackWarning,
            stacklevel=3,
        )


def _templates(names: Sequence[str], class_index: int) -> list[Sentence]:
    return [Sentence(prompt, class_index) for name in names for prompt in template_prompts(name)]
