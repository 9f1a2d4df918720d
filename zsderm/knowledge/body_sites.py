"""Which parts of the body a sentence speaks of, and whether a photograph of some region can be of one of them."""

from __future__ import annotations

from functools import lru_cache

from zsderm.knowledge.names import words

# A part of the body that has no parts here stands for itself.
_WHOLE = (
    *("scalp", "forehead", "cheek", "nose", "lip", "eyelid", "chin", "ear", "mouth", "neck", "chest", "breast"),
    *("abdomen", "back", "buttock", "armpit", "groin", "elbow", "forearm", "palm", "finger", "nail", "thigh", "knee"),
    *("sole", "toe"),
)
# Other words, among them those of data sets, and the smallest parts that they may mean.
_OTHERS = {
    "face facial": "forehead cheek nose lip eyelid chin",
    "nasal nostril": "nose",
    "eye eyebrow eyelash": "eyelid forehead",
    "temple hairline": "forehead cheek scalp",
    "head": "scalp forehead cheek nose lip eyelid chin ear",
    "earlobe pinna auricle": "ear",
    "tongue gum oral": "mouth",
    "nape": "neck scalp",
    "trunk torso": "chest breast abdomen back buttock",
    "belly waist flank navel": "abdomen",
    "sternum nipple": "chest breast",
    "shoulder": "back upper-arm",
    "sacrum": "back buttock",
    "axilla underarm": "armpit",
    "genital penis vulva scrotum perianal anal": "groin",
    "arm": "upper-arm elbow forearm",
    "wrist": "forearm hand",
    "hand": "hand palm finger nail",
    "fingertip knuckle thumb": "finger hand nail",
    "hip": "thigh buttock",
    "leg": "thigh knee lower-leg",
    "shin calf calve": "lower-leg",
    "ankle": "lower-leg foot",
    "foot feet": "foot sole toe nail",
    "heel": "sole foot",
    "fingernail toenail": "nail finger toe",
    "limb extremity": "upper-arm elbow forearm hand palm finger thigh knee lower-leg foot sole toe",
    # two words
    "upper+arm": "upper-arm",
    "lower+leg": "lower-leg",
    "upper+extremity": "upper-arm elbow forearm hand palm finger nail",
    "lower+extremity": "thigh knee lower-leg foot sole toe nail",
}
_PARTS = {name: frozenset((name,)) for name in _WHOLE}
_PARTS |= {name: frozenset(parts.split()) for names, parts in _OTHERS.items() for name in names.split()}
_ARTICLES = ("", "the", "upper", "lower", "mid", "a", "his", "her")


@lru_cache(maxsize=20_000)
def body_parts(text: str) -> frozenset[str]:
    """The smallest parts of the body that a text names, or may mean; empty where it names none.

    >>> sorted(body_parts("A brown patch on the shins or a forearm.")), sorted(body_parts("BACK"))
    (['forearm', 'lower-leg'], ['back'])
    >>> sorted(body_parts("Rings come back around a black head; on the back of a hand."))
    ['finger', 'hand', 'nail', 'palm']
    >>> body_parts("Finger-like streaks, a bull's-eye, trunks branching like a tree, a collar around its foot.")
    frozenset()
    """
    found: set[str] = set()
    said = ["", *words(text), ""]
    for before, word, after in zip(said, said[1:], said[2:], strict=False):
        name = word if word in _PARTS else word.removesuffix("s")
        if name == "back" and (before not in _ARTICLES or after == "of"):
            continue
        if name == "head" and (before or after) and after not in ("and", "neck"):
            continue
        if _is_likeness(before, name, after):
            continue
        found |= _PARTS.get(f"{before}+{name}") or _PARTS.get(name, frozenset())
    return frozenset(found)


def _is_likeness(before: str, name: str, after: str) -> bool:
    """Whether a part of the body stands for a shape: a finger-like streak, a bull's-eye, the foot of a dome."""
    if after in ("like", "shaped") or (before, name) in (("bull", "eye"), ("fat", "finger")):
        return True
    if (name, after) in (("trunk", "branching"), ("flank", "a"), ("flank", "the"), ("hairline", "crack")):
        return True
    return name == "foot" and before in ("its", "whose", "circular")


def agrees(text: str, region: str) -> bool:
    """Whether a text names a part of the body that lies in a region; false where either names none that is known.

    >>> agrees("Pearly bumps on the nose and cheeks.", "FACE"), agrees("Pearly bumps on the nose.", "FOREARM")
    (True, False)
    """
    return bool(body_parts(text) & body_parts(region))


def contradicts(text: str, region: str) -> bool:
    """Whether a text names parts of the body, and none of them lies in a region that is known."""
    return bool(body_parts(text) and body_parts(region)) and not agrees(text, region)
