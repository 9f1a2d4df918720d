"""Captions of skin images, made up by a seeded script from the metadata of public image sets. They are synthetic.

Nobody ever wrote these captions. They are built from a diagnosis, a site, an age, a sex and signs, with synonyms,
denials, doubts and slips of the pen, and with what is true of each. About one sign in eight is said in words that are
in no vocabulary here, as people do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zsderm import KnowledgeBase

# Concept -> words for it as they fit behind "with"; behind "|" words that no vocabulary holds.
SIGNS: Mapping[str, tuple[str, str]] = {
    "papule": ("a papule; papules; a small raised bump", "a little elevation"),
    "macule": ("a macule; flat macules; a macular lesion", "a level spot"),
    "plaque": ("a plaque; plaques; a thick raised patch", "a slab of thickened skin"),
    "patch": ("a patch; patches", "a broad area"),
    "nodule": ("a nodule; nodular growth; a firm rounded lump", "a marble-like swelling"),
    "ulcer": ("ulceration; an ulcer; an ulcerated centre", "a raw hole in the middle"),
    "crust": ("crusting; crusts; a crusted surface; scabs", "dried serum on top"),
    "erosion": ("erosions; an eroded surface", "a superficial loss of skin"),
    "scale": ("scaling; fine scales; a scaly surface; desquamation", "a peeling edge"),
    "telangiectasia": ("telangiectasia; telangiectatic vessels", "thread-like vessels"),
    "induration": ("induration; an indurated base", "a board-like feel"),
    "warty/papillomatous": ("a warty surface; a verrucous surface", "a cauliflower look"),
    "dome-shaped": ("a dome-shaped outline", "a half-round outline"),
    "translucent": ("a pearly border; a translucent edge", "a glassy rim"),
    "brown(hyperpigmentation)": ("brown colour; hyperpigmentation; a tan colour", "the colour of coffee"),
    "black": ("black areas; a black spot", "a coal-like tone"),
    "blue": ("blue areas; a bluish tone", "the tone of slate"),
    "erythema": ("erythema; redness; an erythematous base", "a flushed base"),
    "white(hypopigmentation)": ("white areas; hypopigmentation", "bleached areas"),
    "yellow": ("yellow colour; a yellowish tone", "a tone like wax"),
    "pigment network": ("a pigment network; a reticular network", "a lattice of lines"),
    "dots and globules": ("brown globules; dots and globules", "specks of pigment"),
    "streaks": ("streaks; radial streaming", "lines that fan out"),
    "vascular structures": ("hairpin vessels; dotted vessels", "vessels like commas"),
}
DENIED = ("ulcer", "crust", "scale", "erosion", "telangiectasia", "induration", "erythema", "nodule")
DENIALS = (
    "No {0}.",
    "No evidence of {0} or {1}.",
    "Without {0}, {1} or {2}.",
    "It is free of {0}.",
    "{0} was not seen.",
    "{0}: none.",
    "The patient denies {0}.",
)
NAMES = ("Diagnosis: {0}.", "Histology showed {0}.", "{0} of the {site}.", "This is {0}.", "{0}, {person}.")
DOUBTS = ("Suspicious for {0}.", "Possible {0}.", "Differential diagnosis: {0}, {1}.", "{0} cannot be excluded.")
OTHERS = ("{0} was ruled out.", "No sign of {0}.", "History of {0}.", "Her mother had {0}.")
OPENINGS = ("{person} with {signs} on the {site}.", "{signs} on the {site}, {person}.", "The {site} shows {signs}.")
FALLBACKS = ("Red-brown lesion, photographed twice.", "A lesion that has grown over months.")


@dataclass(frozen=True)
class Case:
    """What the metadata of one image say."""

    filename: str
    label: str
    site: str
    age: str = ""
    sex: str = ""


@dataclass(frozen=True)
class SyntheticCaption:
    """A caption, and what is true of it."""

    filename: str
    text: str
    disease: str  # canonical name; empty where the caption states none
    concepts: frozenset[str]  # said to be there
    denied: frozenset[str]  # said not to be there
    plain: frozenset[str] = field(default_factory=frozenset)  # of `concepts`, those in words of a vocabulary
    misspelt: bool = False


def write_captions(cases: Sequence[Case], knowledge: KnowledgeBase, seed: int = 0) -> list[SyntheticCaption]:
    """One caption a case; the same seed gives the same captions.

    Args:
        cases: what is known of the images; the labels are names of the knowledge base.
        knowledge: diseases with their synonyms.
        seed: of the wording.
    """
    rng = random.Random(seed)
    labels = sorted({knowledge.find(case.label).name for case in cases})
    return [_caption(case, knowledge, labels, rng) for case in cases]


def misspelt(word: str, rng: random.Random) -> str:
    """A word with one slip of the pen behind its first letter: a letter left out, doubled, or swapped with the next."""
    place = rng.randrange(1, len(word) - 1)
    return rng.choice(
        (
            word[:place] + word[place + 1 :],
            word[:place] + word[place] + word[place:],
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        )
    )


def _caption(case: Case, knowledge: KnowledgeBase, labels: Sequence[str], rng: random.Random) -> SyntheticCaption:
    disease = knowledge.find(case.label)
    facts = {"site": case.site or "skin", "person": _person(case)}
    known = [name for name in SIGNS if any(name.startswith(concept) for concept in disease.concepts)]
    affirmed = rng.sample(known, k=min(len(known), rng.randint(1, 3)))
    said = {name: rng.random() < 7 / 8 for name in affirmed}  # in words of a vocabulary?
    words = [rng.choice(SIGNS[name][0].split("; ")) if plain else SIGNS[name][1] for name, plain in said.items()]
    sentences = [rng.choice(OPENINGS).format(signs=_listed(words), **facts) if words else rng.choice(FALLBACKS)]
    denied: list[str] = []
    if rng.random() < 0.5:
        pattern = rng.choice(DENIALS)
        denied = rng.sample([n for n in DENIED if n not in affirmed], k=3)[: max(1, pattern.count("{"))]
        nouns = [SIGNS[name][0].split("; ")[0].removeprefix("a ") for name in denied]
        sentences.append(pattern.format(*nouns))
    name, slip = rng.choice((disease.name, *disease.aliases)), False
    others = [label for label in labels if label != disease.name]
    fate = rng.random()
    if fate < 0.75:
        if rng.random() < 0.15 and len(name.split()[-1]) >= 7:
            *front, last = name.split()
            name, slip = " ".join((*front, misspelt(last, rng))), True
        sentences.append(rng.choice(NAMES).format(name, **facts))
    elif fate < 0.87:
        sentences.append(rng.choice(DOUBTS).format(name, rng.choice(others)))
    if rng.random() < 0.12:
        sentences.append(rng.choice(OTHERS).format(rng.choice(others)))
    return SyntheticCaption(
        filename=case.filename,
        text=" ".join(sentence[0].upper() + sentence[1:] for sentence in sentences),
        disease=disease.name if fate < 0.75 else "",
        concepts=frozenset(affirmed),
        denied=frozenset(denied),
        plain=frozenset(concept for concept, plain in said.items() if plain),
        misspelt=slip,
    )


def _person(case: Case) -> str:
    noun = {"male": "man", "female": "woman"}.get(case.sex.lower(), "patient")
    age = case.age.split(".")[0]
    return f"a {age}-year-old {noun}" if age.isdecimal() and int(age) else f"a {noun}"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0]
