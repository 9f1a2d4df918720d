"""The fixed words of a knowledge base: what a description may be about, and which concepts a disease may show."""

from __future__ import annotations

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

MODALITIES = ("clinical", "dermoscopic", "either")

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
