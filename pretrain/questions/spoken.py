"""How concepts, regions of the body and kinds of pictures are called in questions."""

from __future__ import annotations

from collections.abc import Mapping

from zsderm.knowledge.body_sites import body_parts
from zsderm.modalities import CLINICAL, DERMOSCOPIC, PATHOLOGICAL

# Concept of the vocabulary -> its word in "Can ... be seen?". What is not here is not asked for with yes or no.
CONCEPTS: Mapping[str, str] = {
    "vesicle": "a vesicle",
    "papule": "a papule",
    "macule": "a macule",
    "plaque": "a plaque",
    "abscess": "an abscess",
    "pustule": "a pustule",
    "bulla": "a bulla",
    "patch": "a patch",
    "nodule": "a nodule",
    "wheal": "a wheal",
    "comedo": "a comedo",
    "burrow": "a burrow",
    "cyst": "a cyst",
    "ulcer": "an ulcer",
    "crust": "crusts",
    "erosion": "erosions",
    "excoriation": "excoriations",
    "exudate": "exudate",
    "purpura/petechiae": "purpura or petechiae",
    "fissure": "fissures",
    "scale": "scale",
    "scar": "scarring",
    "telangiectasia": "telangiectasia",
    "lichenification": "lichenification",
    "atrophy": "atrophy",
    "xerosis": "xerosis",
    "pedunculated": "a pedunculated lesion",
    "exophytic/fungating": "an exophytic growth",
    "warty/papillomatous": "a warty surface",
    "dome-shaped": "a dome-shaped lesion",
    "flat topped": "a flat-topped lesion",
    "translucent": "a translucent lesion",
    "umbilicated": "an umbilicated lesion",
    "acuminate": "an acuminate lesion",
    "poikiloderma": "poikiloderma",
    "pigment network": "a pigment network",
    "streaks": "streaks",
    "regression structures": "regression structures",
    "dots and globules": "dots or globules",
    "blue whitish veil": "a blue-whitish veil",
    "vascular structures": "dotted or irregular vessels",
}
# Groups of concepts that a picture of a modality can show.
GROUPS: Mapping[str, tuple[str, ...]] = {
    CLINICAL: ("type", "secondary feature", "texture"),
    DERMOSCOPIC: ("secondary feature", "dermoscopic structure"),
    PATHOLOGICAL: (),
    "": ("secondary feature",),
}
OPEN_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "type": ("Which kind of lesion can be seen?", "What is the primary lesion?"),
    "secondary feature": ("Which changes can be seen on the surface?", "Which secondary changes can be seen?"),
    "texture": ("Which shape or texture does the lesion have?",),
    "dermoscopic structure": ("Which dermoscopic structures can be seen?",),
}
REGIONS: Mapping[str, frozenset[str]] = {
    name: body_parts(name)
    for name in (
        *("face", "scalp", "neck", "trunk", "arm", "hand", "leg", "foot", "groin", "armpit", "mouth", "ear", "nail"),
        *("back", "chest"),
    )
}


# Whoever sees a picture of one may take it for one of another.
_ADJOINING = (
    ("face", "scalp", "neck", "mouth", "ear"),
    ("armpit", "arm", "chest"),
    ("groin", "leg"),
    ("nail", "hand", "foot"),
    ("neck", "chest", "back"),
)


def regions_of(parts: frozenset[str]) -> tuple[str, ...]:
    """The regions in which all parts of the body lie; the smallest first.

    >>> regions_of(frozenset({"cheek"})), regions_of(frozenset({"elbow", "knee"}))
    (('face',), ())
    """
    found = [name for name, region in REGIONS.items() if parts and parts <= region]
    return tuple(sorted(found, key=lambda name: (len(REGIONS[name]), name)))


def other_regions(parts: frozenset[str]) -> tuple[str, ...]:
    """The regions in which none of the parts of the body lies, and that do not adjoin one in which they lie."""
    near = {other for group in _ADJOINING if any(parts & REGIONS[name] for name in group) for other in group}
    return tuple(name for name, region in REGIONS.items() if parts and not parts & region and name not in near)
