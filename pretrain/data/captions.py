"""Multi-aspect captions written from a label, a few facts and the knowledge base.

MAKE wants up to eleven captions an image: what it shows, its place in the ontology of diseases, its visual concepts,
and up to eight sub-captions. Public image sets carry a diagnosis and a few facts instead. A `CaptionWriter` turns one
into the other, with wording drawn anew each time it is asked, so that an epoch never repeats the one before.

About a third of the descriptions of every disease are held out (`held_out`): they are never shown in training, so what
retrieval adds can be measured on wording that the model has not met.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zsderm import KnowledgeBase
from zsderm.knowledge.base import Disease
from zsderm.modalities import CLINICAL, DERMOSCOPIC, PATHOLOGICAL, shown_in

SUB_CAPTIONS = 8
OWN_NAME_OF_A_POOL = 0.4  # how often a pooled label is captioned under its own name
CAPTIONS_PER_IMAGE = 3 + SUB_CAPTIONS

CAPTION_PHRASINGS = {
    DERMOSCOPIC: (
        "{name}",
        "a dermoscopic image of {name}",
        "dermoscopy of {name}{site}",
        "dermatoscope view of {name}{site}{person}",
        "{name}{site}, seen under the dermatoscope",
        "a magnified dermoscopic photograph showing {name}{person}",
        "a skin lesion diagnosed as {name}{site}",
    ),
    PATHOLOGICAL: (
        "{name}",
        "a histopathology image of {name}",
        "histology of {name}{site}",
        "an H&E stained section of skin{site}: {name}",
        "a microscopic image of {name}{site}{person}",
        "a skin biopsy showing {name}{person}",
        "a tissue section diagnosed as {name}{site}",
    ),
    CLINICAL: (
        "{name}",
        "a clinical photograph of {name}",
        "a photo of {name}{site}",
        "smartphone picture of {name}{site}{person}",
        "{name}{site}, close-up photograph of the skin",
        "clinical image showing {name}{person}",
        "a skin lesion diagnosed as {name}{site}",
    ),
}
ONTOLOGY_PHRASINGS = (
    "{path}, {name}",
    "{name}, a {path} skin condition",
    "skin disease: {path}: {name}",
    "diagnosis {name}, which belongs to {path} lesions of the skin",
)
VISUAL_PHRASINGS = (
    "skin showing {concepts}",
    "visible signs: {concepts}",
    "the lesion has {concepts}",
    "{concepts}",
)
DESCRIPTION_PHRASINGS = (
    "{name}: {description}",
    "a photo of {name}. {description}",
    "{description} This is {name}.",
)
SITE_PHRASINGS = ("the lesion is on the {site}", "located on the {site}", "skin of the {site}")
PERSON_PHRASINGS = ("the patient is {person}", "seen in {person}")
SIGN_PHRASINGS = ("the patient says that it {signs}", "reported: it {signs}", "it {signs}, according to the patient")


@dataclass(frozen=True)
class Case:
    """The facts about one image, such as label and age; an empty field is unknown.

    Attributes:
        label: diagnosis as the data set spells it.
        modality: one of `zsderm.modalities.MODALITIES`.
        site: body site, lower case.
        age: years, 0 when unknown.
        sex: "man", "woman" or empty.
        signs: what the patient reports, as verbs ("itches", "has grown").
    """

    label: str
    modality: str
    site: str = ""
    age: int = 0
    sex: str = ""
    signs: tuple[str, ...] = ()

    @property
    def person(self) -> str:
        """The patient as a noun phrase, or an empty string."""
        if not self.age and not self.sex:
            return ""
        noun = self.sex or "patient"
        return f"a {self.age}-year-old {noun}" if self.age else f"a {noun}"


@dataclass(frozen=True)
class Captions:
    """The captions of one image, and the diagnosis that each of them holds for.

    Attributes:
        texts: `CAPTIONS_PER_IMAGE` strings: caption, ontology, visual concepts, sub-captions; an empty string where a
            caption does not exist.
        about: for each of them the canonical name of the disease, or of the pool of diseases, that it holds for in any
            image; an empty string where it holds for this image alone (its site, its person, what the patient reports)
            or where no one knows.
    """

    texts: tuple[str, ...]
    about: tuple[str, ...]


def held_out(text: str) -> bool:
    """Whether a description is kept out of training: about one in three, by a checksum of its text.

    The rule depends on nothing but the wording, so adding, moving or removing other descriptions changes no decision.

    Args:
        text: the description as the knowledge base spells it.
    """
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 3 == 0


class CaptionWriter:
    """Writes the captions of a case from the training part of a knowledge base.

    A pooled label ("benign keratosis-like lesion") says that one of several diseases is there. Its captions are written
    for one of them, drawn anew each time, or for the pool under its own name.

    Args:
        knowledge: the knowledge base; held-out descriptions are never used.
        named_share: share of descriptions that are joined with the name of the disease, in [0, 1].
        members: gives the diseases of which one is there, by their names in the base; default: the label's own.
    """

    def __init__(
        self,
        knowledge: KnowledgeBase,
        named_share: float = 0.7,
        members: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.named_share = named_share
        self.members = members

    def write(self, case: Case, rng: random.Random) -> Captions:
        """The captions of one case, in the order that the losses expect.

        Args:
            case: the facts.
            rng: source of the wording; equal states give equal captions.

        Raises:
            UnknownClassError: if the knowledge base does not hold the label.
        """
        disease = self._disease(case.label, rng)
        names = (disease.name, *disease.aliases)
        seen = shown_in(case.modality)
        pool = [d.text for d in disease.descriptions if d.modality in seen and not held_out(d.text)]
        chosen = set(rng.sample(disease.concepts, k=min(len(disease.concepts), rng.randint(2, 4))))
        concepts = [concept for concept in disease.concepts if concept in chosen]  # one order: fewer texts to embed
        if case.modality == PATHOLOGICAL:
            concepts = []  # they are what shows on skin
        descriptions, facts = self._descriptions(pool, names, rng), self._facts(case, rng)
        caption, holds_for_all = self._caption(case, _some_name(names, rng), rng)
        ontology = rng.choice(ONTOLOGY_PHRASINGS).format(path=" ".join(disease.ontology), name=_some_name(names, rng))
        visual = rng.choice(VISUAL_PHRASINGS).format(concepts=", ".join(concepts)) if concepts else ""
        texts = [caption, ontology, visual, *descriptions, *facts][:CAPTIONS_PER_IMAGE]
        about = [
            disease.name if holds_for_all else "",
            disease.name,
            disease.name if visual else "",
            *[disease.name] * len(descriptions),
        ]
        return Captions(
            texts=tuple(texts + [""] * (CAPTIONS_PER_IMAGE - len(texts))),
            about=tuple(about + [""] * (CAPTIONS_PER_IMAGE - len(about))),
        )

    def _disease(self, label: str, rng: random.Random) -> Disease:
        members = self.members(label) if self.members else ()
        if len(members) > 1 and rng.random() >= OWN_NAME_OF_A_POOL:
            return self.knowledge.find(rng.choice(members))
        return self.knowledge.find(label if len(members) != 1 else members[0])

    def _caption(self, case: Case, name: str, rng: random.Random) -> tuple[str, bool]:
        """What the image shows, and whether that holds for any image of the disease."""
        site = f" on the {case.site}" if case.site and rng.random() < 0.5 else ""
        person = f" in {case.person}" if case.person and rng.random() < 0.5 else ""
        phrasing = rng.choice(CAPTION_PHRASINGS[case.modality])
        plain = phrasing.format(name=name, site="", person="")
        caption = phrasing.format(name=name, site=site, person=person)
        return caption, caption == plain

    def _descriptions(self, pool: Sequence[str], names: Sequence[str], rng: random.Random) -> list[str]:
        chosen = rng.sample(pool, k=min(len(pool), SUB_CAPTIONS - 2))
        return [
            rng.choice(DESCRIPTION_PHRASINGS).format(name=_some_name(names, rng), description=text)
            if rng.random() < self.named_share
            else text
            for text in chosen
        ]

    def _facts(self, case: Case, rng: random.Random) -> list[str]:
        facts = []
        if case.site:
            facts.append(rng.choice(SITE_PHRASINGS).format(site=case.site))
        if case.person:
            facts.append(rng.choice(PERSON_PHRASINGS).format(person=case.person))
        if case.signs:
            facts.append(rng.choice(SIGN_PHRASINGS).format(signs=" and ".join(case.signs)))
        return rng.sample(facts, k=min(len(facts), rng.randint(0, 2)))


def _some_name(names: Sequence[str], rng: random.Random) -> str:
    # The canonical name often: users mostly type that one. But synonyms must be met too, and plurals.
    name = names[0] if rng.random() < 0.4 else rng.choice(names)
    return plural(name) if rng.random() < 0.1 else name


def plural(name: str) -> str:
    """A name in the plural, by the endings that names of diseases have; a name in another form may come out wrong.

    >>> [plural(name) for name in ("actinic keratosis", "blue nevus", "melanoma", "foot ulcer", "moles")]
    ['actinic keratoses', 'blue nevi', 'melanomas', 'foot ulcers', 'moles']
    """
    for ending, many in (("osis", "oses"), ("nevus", "nevi"), ("naevus", "naevi"), ("y", "ies"), ("s", "s")):
        if name.endswith(ending):
            return name.removesuffix(ending) + many
    return f"{name}s"
