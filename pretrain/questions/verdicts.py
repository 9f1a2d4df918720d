"""What is known of a thing that a question names: that the picture shows it, that it does not, or neither."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from zsderm.modalities import MODALITIES
from zsderm.modalities import modality_of as modality_named
from zsderm.pretrain.questions import question as q
from zsderm.pretrain.questions.colours import COLOURS, colours_in, named_colours, possible_colours
from zsderm.pretrain.questions.facts import FactReader, Facts
from zsderm.pretrain.questions.look_alikes import LookAlikes
from zsderm.pretrain.questions.question import Pair
from zsderm.pretrain.questions.spoken import CONCEPTS, GROUPS, REGIONS, other_regions, regions_of

_BUMPY = re.compile(r"mulberry|cauliflower|raspberry|cobbl|furrow|papillary", re.IGNORECASE)
ONE, SEVERAL = "one lesion", "several lesions"


@dataclass(frozen=True)
class Known:
    """The terms of one kind that a picture shows, and those that it does not show."""

    shown: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class Verdicts:
    """Decides which terms a picture shows and which it does not show.

    Args:
        facts: reads captions.
        look_alikes: finds what a picture of a disease does not show.
        table: the diseases of all pairs.
        modalities: of all pairs; other modalities are never right, so no question asks about them.
    """

    def __init__(
        self,
        facts: FactReader,
        look_alikes: LookAlikes,
        table: Collection[str] = (),
        modalities: Collection[str] = MODALITIES,
    ) -> None:
        self._facts = facts
        self._modalities = tuple(name for name in MODALITIES if name in modalities)
        self._look_alikes = look_alikes
        self._table = frozenset(table)
        groups = facts.reader.terms.groups
        self._asked = {m: [n for g in kept for n in groups[g] if n in CONCEPTS] for m, kept in GROUPS.items()}

    def known(self, kind: str, pair: Pair, facts: Facts) -> Known:  # noqa: PLR0911 (one kind, one line)
        """The terms of a kind: canonical names of diseases and concepts, colours, regions, modalities."""
        match kind:
            case q.DISEASE:
                near = self._look_alikes.near(facts.disease, self._table) if facts.disease else ()
                named = set(self._facts.names_disease(pair.caption, signs=True))
                return Known((facts.disease,) if facts.disease else (), tuple(n for n in near if n not in named))
            case q.MORPHOLOGY:
                return self._concepts(pair, facts)
            case q.COLOUR:
                possible = possible_colours(pair.caption)
                free = self._look_alikes.absent_colours(facts.disease, COLOURS, pair.modality) if facts.disease else ()
                return Known(
                    tuple(sorted(facts.plain_colours)), tuple(c for c in COLOURS if c in free and c not in possible)
                )
            case q.NUMBER:
                if facts.single is None:
                    return Known()
                return Known((ONE,), (SEVERAL,)) if facts.single else Known((SEVERAL,), (ONE,))
            case q.SITE:
                return Known(regions_of(facts.parts), other_regions(facts.parts))
            case q.MODALITY if pair.modality:
                return Known((pair.modality,), tuple(m for m in self._modalities if m != pair.modality))
        return Known()

    def term(self, kind: str, phrase: str) -> str:
        """The only term of a kind that a phrase names; empty if it names none, or several."""
        match kind:
            case q.DISEASE:
                found = set(self._facts.names_disease(phrase, signs=True))
            case q.MORPHOLOGY:
                concepts = {concept.names for concept in self._facts.reader.read(phrase).concepts}
                found = {names[0] for names in concepts} if all(len(names) == 1 for names in concepts) else set()
            case q.COLOUR:
                found = colours_in(named_colours(phrase))
            case q.NUMBER:
                said = set(phrase.lower().replace("?", " ").split())
                one, several = bool(said & {"one", "single", "solitary"}), bool(said & {"several", "multiple", "many"})
                found = {ONE} if one and not several else {SEVERAL} if several and not one else set()
            case q.SITE:
                found = {word for word in phrase.lower().replace("?", " ").split() if word in REGIONS}
            case _:
                found = {m for word in phrase.lower().replace("?", " ").split() if (m := modality_named(word))}
        return found.pop() if len(found) == 1 else ""

    def _concepts(self, pair: Pair, facts: Facts) -> Known:
        asked = self._asked.get(pair.modality, self._asked[""])
        shown = {said.concept for group in facts.affirmed.values() for said in group}
        free = self._look_alikes.absent(facts.disease) if facts.disease else frozenset()
        likened = {"warty/papillomatous"} if _BUMPY.search(pair.caption) else set()
        absent = (free - facts.touched - _kin(facts.touched) - likened) | facts.denied
        return Known(tuple(n for n in asked if n in shown), tuple(n for n in asked if n in absent and n not in shown))


# Signs that people call by each other's names, or of which one brings the other: where one is named, none is denied.
_KIN = (
    {"papule", "nodule", "plaque", "dome-shaped", "exophytic/fungating", "cyst", "wheal", "pedunculated", "abscess"},
    {"macule", "patch"},
    {"plaque", "patch"},
    {"vesicle", "bulla", "pustule", "erosion", "exudate"},
    {"ulcer", "erosion", "crust", "excoriation", "exudate", "fissure"},
    {"scale", "xerosis", "crust", "warty/papillomatous"},
    {"atrophy", "scar", "poikiloderma", "regression structures"},
    {"telangiectasia", "vascular structures", "purpura/petechiae"},
    {"papule", "flat topped", "acuminate", "umbilicated"},
)


def _kin(named: Collection[str]) -> frozenset[str]:
    return frozenset(name for family in _KIN if family & set(named) for name in family)
