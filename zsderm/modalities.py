"""The kinds of pictures: the one list that settings, knowledge bases, training tables and benchmarks take theirs from.

Dermoscopic pictures show skin through a dermatoscope, pathological ones a stained tissue section under the microscope.
These three are the modalities that MAKE was trained on.
"""

from __future__ import annotations

CLINICAL, DERMOSCOPIC, PATHOLOGICAL = MODALITIES = ("clinical", "dermoscopic", "pathological")
EITHER = "either"  # of a description: seen in clinical and in dermoscopic pictures alike, and not in tissue sections

_WORDS = {
    CLINICAL: ("clinical", "clinic", "photograph", "photo", "smartphone", "macroscopic", "clinical smartphone"),
    DERMOSCOPIC: ("dermoscopic", "dermoscopy", "dermatoscopic", "dermatoscopy"),
    PATHOLOGICAL: (
        "pathological", "pathology", "histological", "histology", "histopathological", "histopathology",
        "dermatopathology", "microscopic",
    ),
}  # fmt: skip


def modality_of(word: str) -> str:
    """The modality that a word in a table means, such as "dermoscopy" or "Histopathology"; empty where it is none.

    >>> modality_of("Dermoscopy"), modality_of("histopathology"), modality_of("x-ray")
    ('dermoscopic', 'pathological', '')
    """
    plain = " ".join(word.replace("_", " ").replace("-", " ").casefold().split())
    return next((modality for modality, words in _WORDS.items() if plain in words), "")


def shown_in(modality: str) -> tuple[str, ...]:
    """The modalities of the descriptions that may show in a picture of one modality.

    >>> shown_in("dermoscopic"), shown_in("pathological")
    (('dermoscopic', 'either'), ('pathological',))
    """
    return (PATHOLOGICAL,) if modality == PATHOLOGICAL else (modality, EITHER)
