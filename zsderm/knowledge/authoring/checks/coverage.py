"""What a base has too little of: dermoscopy, skin of colour, positive signs beside look-alikes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from zsderm.knowledge.authoring.checks.expected import EXPECTED_FILE, Expected
from zsderm.knowledge.authoring.checks.problem import ERROR, WARNING, Problem
from zsderm.knowledge.authoring.checks.wording import DIFFERS, dark_skin
from zsderm.knowledge.base import Description, Disease

NEOPLASM = "neoplastic"  # the first word of its ontology
NEOPLASM_DERMOSCOPY = 8  # dermoscopic sentences
OTHER_DERMOSCOPY = 4
DARK_SKIN = 2  # sentences on brown or black skin
LOOK_ALIKES = "look-alikes"  # the aspect
MOST_DIFFERS = 0.1  # share of the look-alike sentences of a base that may name a rival or what is absent


def coverage(diseases: Sequence[Disease], expected: Expected, shows: Mapping[Description, str]) -> Iterator[Problem]:
    """What is missing in a base that says what it ought to hold.

    Args:
        diseases: all of the base.
        expected: its expected.json.
        shows: description -> what its field `shows` says, for those that have one.
    """
    known = {disease.name: disease for disease in diseases}
    for name in (*expected.common, *expected.dermoscopic, *expected.without_dermoscopy):
        if name not in known:
            yield Problem(EXPECTED_FILE, f"speaks of {name!r}, which is no name of a disease of the base", "coverage")
    for disease in diseases:
        yield from _dermoscopy(disease, expected)
    for name in expected.common:
        if name in known and (count := _on_dark_skin(known[name], shows)) < DARK_SKIN:
            reason = f"expected {DARK_SKIN} sentences of what brown or black skin shows, but got {count}"
            yield Problem(name, reason, "dark skin")
    yield from _differing(diseases, shows)


def _dermoscopy(disease: Disease, expected: Expected) -> Iterator[Problem]:
    least = OTHER_DERMOSCOPY if disease.name in expected.dermoscopic else 0
    if disease.ontology[:1] == (NEOPLASM,) and disease.name not in expected.without_dermoscopy:
        least = NEOPLASM_DERMOSCOPY
    count = sum(text.modality == "dermoscopic" for text in disease.descriptions)
    if count < least:
        reason = f"expected at least {least} dermoscopic sentences, but got {count}; or a reason in {EXPECTED_FILE}"
        yield Problem(disease.name, reason, "dermoscopy")


def _on_dark_skin(disease: Disease, shows: Mapping[Description, str]) -> int:
    """Sentences that say what is seen on brown or black skin; where they are marked, only those marked "skin"."""
    return sum(dark_skin(text.text) and shows.get(text, "skin") == "skin" for text in disease.descriptions)


def _differing(diseases: Sequence[Disease], shows: Mapping[Description, str]) -> Iterator[Problem]:
    rivals = [text for disease in diseases for text in disease.descriptions if text.aspect == LOOK_ALIKES]
    marked = [text for text in rivals if shows.get(text) == DIFFERS]
    if shows and len(marked) > MOST_DIFFERS * len(rivals):
        share = f"{len(marked)} of {len(rivals)} look-alike sentences name a rival or what is absent"
        yield Problem(EXPECTED_FILE, f"{share}, more than {MOST_DIFFERS:.0%}", "rival", ERROR)
    for disease in diseases:
        count = sum(shows.get(text) == DIFFERS for text in disease.descriptions)
        if count > 2:
            yield Problem(disease.name, f"{count} sentences name a rival or what is absent", "rival", WARNING)
