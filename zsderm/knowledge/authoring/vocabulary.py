"""The fixed words of a knowledge base: what a description or a report may be about, which concepts there are."""

from __future__ import annotations

from zsderm.modalities import EITHER
from zsderm.modalities import MODALITIES as KINDS_OF_PICTURES

ASPECTS = (
    "primary lesion",
    "colour",
    "border and shape",
    "surface and scale",
    "size and number",
    "distribution and site",
    "evolution",  # only what one picture shows: a crust on top, lesions in mixed stages
    "dermoscopic structures",
    "light and dark skin",
    "look-alikes",
)

MODALITIES = (*KINDS_OF_PICTURES, EITHER)

# What has to be in view for a description to hold, so that whoever shows it beside a photograph can choose.
SHOWS = (
    "lesion",  # a close-up of one lesion shows it
    "place",  # a body site, or an arrangement over a part of the body
    "skin",  # light, brown or black skin
    "number",  # how many, grouped over the body, or of what absolute size
    "course",  # stages and change
    "differs",  # speaks of a look-alike, or of what is absent
)
_SHOWN_BY_ASPECT = {
    "size and number": "number",
    "distribution and site": "place",
    "evolution": "course",
    "light and dark skin": "skin",
    "look-alikes": "differs",
}


def shown_by(aspect: str) -> str:
    """What a description of an aspect shows, where its base does not say: one of SHOWS.

    Aspects outside the vocabulary show the lesion: who writes his own has mostly signs of the lesion in mind.

    >>> shown_by("size and number"), shown_by("colour"), shown_by("unspecified")
    ('number', 'lesion', 'lesion')
    """
    return _SHOWN_BY_ASPECT.get(aspect, "lesion")


# What a sentence of what patients report may be about, beside a photograph and never in it.
REPORTED = (
    *("itch", "pain", "burning", "tenderness", "bleeding", "oozing"),
    *("growth", "change", "duration", "onset", "spread", "recurrence"),
    *("fever", "illness", "contacts", "family", "triggers", "relief"),
    *("season", "age", "occupation", "no complaint"),
)

# The clinical concepts of SkinCon (Daneshjou et al., 2022), the dermoscopic ones of the seven-point checklist
# (Argenziano et al., 1998), and a few that skin photographs call for.
CONCEPTS = (
    # primary lesions
    *("macule", "patch", "papule", "plaque", "nodule", "abscess", "pustule", "vesicle", "bulla", "wheal", "cyst"),
    *("comedo", "burrow", "ulcer", "erosion", "fissure", "excoriation", "scar", "telangiectasia", "purpura"),
    # surface and texture
    *("crust", "scale", "exudate", "xerosis", "atrophy", "induration", "sclerosis", "lichenification", "friable"),
    *("warty", "poikiloderma"),
    # shape
    *("dome-shaped", "flat-topped", "pedunculated", "exophytic", "umbilicated", "acuminate"),
    # colour
    *("erythema", "brown", "black", "blue", "gray", "purple", "salmon", "white", "yellow", "translucent", "pigmented"),
    # dermoscopy
    *("pigment network", "blue-white veil", "vascular structures", "pigmentation", "streaks", "dots and globules"),
    "regression structures",
)
