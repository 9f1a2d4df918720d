"""The engine without a model: it puts what a caption states into questions of fixed forms."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from zsderm.metrics.answers import CHOICE, CLOSED, OPEN
from zsderm.modalities import CLINICAL
from zsderm.pretrain.questions import question as q
from zsderm.pretrain.questions.facts import Facts, Said
from zsderm.pretrain.questions.question import Asked, Choice, Pair, Question
from zsderm.pretrain.questions.spoken import CONCEPTS, GROUPS, OPEN_QUESTIONS
from zsderm.pretrain.questions.verdicts import ONE, Verdicts

# The same forms for yes and for no, so that the form says nothing.
_CLOSED: Mapping[str, tuple[str, ...]] = {
    q.DISEASE: ("Does the picture show {0}?", "Is the diagnosis {0}?"),
    q.MORPHOLOGY: ("Can {0} be seen?", "Does the picture show {0}?"),
    q.COLOUR: ("Is {0} one of the colours of the lesion?", "Can {0} be seen in the lesion?"),
    q.NUMBER: ("{0}?",),
    q.SITE: ("Is this on the {0}?", "Does the picture show the {0}?"),
    q.MODALITY: ("Is this a {0} picture?", "Is the picture {0}?"),
}
_CHOICE: Mapping[str, tuple[str, ...]] = {
    q.DISEASE: ("Which of these diagnoses fits the picture?", "What is the diagnosis?"),
    q.MORPHOLOGY: ("Which of these can be seen?",),
    q.COLOUR: ("Which of these colours does the lesion have?",),
    q.SITE: ("Where on the body is this?",),
    q.MODALITY: ("What kind of picture is this?",),
}
_DIAGNOSIS = (
    "What is the diagnosis?",
    "Which skin disease does the picture show?",
    "What is the most likely diagnosis?",
)
_DESCRIBE = ("What does the picture show?", "Describe what can be seen.", "What does the lesion look like?")
_COLOUR = ("Which colours can be seen?", "Which colours does the picture show in the lesion?")
_SITE = ("Where on the body is this?", "Which part of the body is shown?")
_NUMBER = ("How many lesions are there?", "Is there one lesion, or are there several?")
_MODALITY = ("What kind of picture is this?", "Is this a clinical, a dermoscopic or a pathological picture?")
_STAIN = ("Which stain was used?",)
_ADJECTIVE = re.compile(r"(?:ed|ous|ic|ular|y|ing|ive|ose|form|ent)$")
OPTIONS = 4


class RuleQuestions:
    """Generates questions about what a caption states.

    Args:
        verdicts: decides which terms a picture shows and which it does not.
        seed: of the wording; a pair gets the same questions whatever other pairs there are.
    """

    def __init__(self, verdicts: Verdicts, seed: int = 0) -> None:
        self._verdicts = verdicts
        self._seed = seed

    def ask(self, pair: Pair, facts: Facts) -> Asked:
        """Open questions, candidates for closed questions, and multiple-choice questions without their options."""
        rng = random.Random(f"{self._seed} {pair.image} {pair.caption}")
        closed, choices = [], []
        for kind in q.KINDS:
            if kind == q.MODALITY:
                continue
            known = self._verdicts.known(kind, pair, facts)
            for answer, terms in ((q.YES, known.shown), (q.NO, known.absent)):
                closed += [closed_question(pair, kind, term, answer, rng) for term in terms]
            # Of several right answers one is drawn: two would be the same question with other options.
            if known.shown and len(known.absent) >= OPTIONS - 1 and kind in _CHOICE:
                term = rng.choice(known.shown)
                right = Question(pair, kind, CHOICE, term, rng.choice(_CHOICE[kind]), spoken(kind, term))
                choices.append(Choice(right, {t: spoken(kind, t) for t in known.absent}))
        modality, of_modality = self._modality(pair, facts, rng)
        return Asked((*_open(pair, facts, rng), *closed, *modality), (*choices, *of_modality))

    def _modality(self, pair: Pair, facts: Facts, rng: random.Random) -> tuple[list[Question], list[Choice]]:
        """One question, of a form that is drawn: every picture has a modality, and it is soon learned."""
        known = self._verdicts.known(q.MODALITY, pair, facts)
        if not known.shown:
            return [], []
        own = known.shown[0]
        forms = [OPEN, *[CLOSED] * bool(known.absent), *[CHOICE] * (len(known.absent) > 1)]
        match rng.choice(forms):
            case "closed":
                term, answer = rng.choice([(own, q.YES), (rng.choice(known.absent), q.NO)])
                return [closed_question(pair, q.MODALITY, term, answer, rng)], []
            case "choice":
                right = Question(pair, q.MODALITY, CHOICE, own, rng.choice(_CHOICE[q.MODALITY]), own)
                return [], [Choice(right, {term: term for term in known.absent})]
        return [Question(pair, q.MODALITY, OPEN, "modality", rng.choice(_MODALITY), f"{own} picture")], []


def closed_question(pair: Pair, kind: str, term: str, answer: str, rng: random.Random) -> Question:
    """A question for one term, with yes or no as its answer."""
    words = spoken(kind, term)
    if kind == q.NUMBER:
        words = "Is there only one lesion" if term == ONE else "Are there several lesions"
    return Question(pair, kind, CLOSED, term, rng.choice(_CLOSED[kind]).format(words), answer)


def spoken(kind: str, term: str) -> str:
    """A term as questions say it."""
    return CONCEPTS.get(term, term) if kind == q.MORPHOLOGY else term


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> listed(["scale", "crust", "ulcers"])
    'scale, crust and ulcers'
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _noun(said: Said, group: str) -> str:
    """The words of the caption, or those of the vocabulary where the caption has an adjective ("scaly", "crusted")."""
    adjective = _ADJECTIVE.search(said.text) and said.concept in CONCEPTS and group != "texture"
    return spoken(q.MORPHOLOGY, said.concept) if adjective else said.text


def _open(pair: Pair, facts: Facts, rng: random.Random) -> list[Question]:
    found = []

    def add(kind: str, term: str, texts: Sequence[str], answer: str) -> None:
        found.append(Question(pair, kind, OPEN, term, rng.choice(texts), answer))

    if facts.disease:
        add(q.DISEASE, "diagnosis", _DIAGNOSIS, facts.disease)
    if facts.description:
        add(q.MORPHOLOGY, "description", _DESCRIBE, " ".join(facts.description))
    for group in GROUPS.get(pair.modality, GROUPS[""]):
        # Vessels are no change of the surface, although the vocabulary groups them so.
        if said := [one for one in facts.affirmed.get(group, ()) if one.concept != "telangiectasia"]:
            add(q.MORPHOLOGY, group, OPEN_QUESTIONS[group], listed([_noun(one, group) for one in said]))
    if facts.colours and pair.modality in ("", CLINICAL, "dermoscopic"):
        add(q.COLOUR, "colours", _COLOUR, listed(facts.colours))
    if facts.count:
        add(q.NUMBER, "number", _NUMBER, facts.count)
    if facts.place:
        add(q.SITE, "site", _SITE, facts.place)
    if facts.stain:
        add(q.MODALITY, "stain", _STAIN, facts.stain)
    return found
