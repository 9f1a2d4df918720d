"""The sentences of each class: what the text tower reads under each method."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from zsderm.errors import FallbackWarning
from zsderm.knowledge.base import Description, KnowledgeBase
from zsderm.knowledge.class_names import ClassNames
from zsderm.knowledge.prompts import described, one_template, template_prompts


@dataclass(frozen=True)
class Sentence:
    """One sentence for one class, and the description in it if it holds one."""

    text: str
    class_index: int
    description: Description | None = None
    weight: float = 1.0  # how much it counts beside the other sentences of its class


def class_sentences(
    names: ClassNames,
    method: str,
    knowledge: KnowledgeBase | None,
    which: str = "known",
    templates: Sequence[str] | None = None,
) -> list[Sentence]:
    """What the text tower reads for each class.

    Args:
        names: of C classes.
        method: "class-name" reads the bare names, "templates" the names in every template; every other method reads the
            descriptions of the knowledge base, each in a sentence that names the disease.
        knowledge: the knowledge base; None means templates for every class.
        which: the names that are read, see `ClassNames.in_prompts`.
        templates: that names are read in; None for the bundled ones.

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
        return name_sentences(spoken, bare=True)
    if method == "templates" or knowledge is None:
        return name_sentences(spoken, templates=templates)
    found = knowledge.descriptions_for(names.meant)
    _warn_of_twins(names, knowledge)
    sentences: list[Sentence] = []
    for index, (meant, named) in enumerate(zip(names.meant, names.described, strict=True)):
        pooled = names.canonical[index] in knowledge.groups  # each description then names its own disease
        texts = [Sentence(described(d.disease if pooled else named, d.text), index, d) for d in found[meant]]
        # Retrieval chooses among these as among descriptions, so each counts the same.
        sentences += texts or [Sentence(s.text, index) for s in _spoken(spoken[index], index, False, templates)]
    return sentences


def name_sentences(
    names: Sequence[Sequence[str]], bare: bool = False, templates: Sequence[str] | None = None
) -> list[Sentence]:
    """The sentences in which the names of each class are read.

    The first name, which the text tower knows best, counts as much as all others together: of those some are rare, some
    mean a kind of the disease, and a base has few or many of them. It is read in every template, each of the others in
    one, in turn, so that a long list of aliases costs little.

    Args:
        names: for each of C classes at least one.
        bare: the names themselves, without templates.
        templates: that names are read in; None for the bundled ones.

    Returns:
        Sentences class by class. Their weights, not their numbers, say how much each counts.

    >>> [(s.text, s.weight) for s in name_sentences([["nevus", "mole", "naevus"]], bare=True)]
    [('nevus', 2.0), ('mole', 1.0), ('naevus', 1.0)]
    """
    return [sentence for index, own in enumerate(names) for sentence in _spoken(own, index, bare, templates)]


def _warn_of_twins(names: ClassNames, knowledge: KnowledgeBase) -> None:
    for twin in names.twins:
        same = [given for given, name in zip(names.typed, names.canonical, strict=True) if name == twin]
        warnings.warn(
            f"classes {', '.join(map(repr, same))} are all {twin!r} in knowledge base {knowledge.name!r}: they have "
            "the same descriptions, and only their names tell them apart. Keep one, unless you mean different things.",
            FallbackWarning,
            stacklevel=3,
        )


def _spoken(names: Sequence[str], class_index: int, bare: bool, templates: Sequence[str] | None) -> list[Sentence]:
    first, *others = names
    heads = [first] if bare else template_prompts(first, templates)
    tails = [name if bare else one_template(name, number, templates) for number, name in enumerate(others)]
    weight = max(len(others), 1) / len(heads)
    return [
        *(Sentence(text, class_index, weight=weight) for text in heads),
        *(Sentence(text, class_index) for text in tails),
    ]
