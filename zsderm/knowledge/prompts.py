"""The bundled prompt templates, and the sentences that come of templates."""

from __future__ import annotations

from collections.abc import Sequence

from zsderm.modalities import PATHOLOGICAL
from zsderm.prompt_templates import filled

# An ensemble for skin photographs: clinical wording, dermoscopic wording, and both plain and lay.
# Without articles before the name, because "a acne" and "an seborrheic keratosis" are read too.
TEMPLATES: list[str] = [
    "a photo of {name}",
    "a clinical photograph of {name}",
    "a close-up photograph of {name} on the skin",
    "a smartphone photo of skin with {name}",
    "a skin lesion diagnosed as {name}",
    "a dermatology image showing {name}",
    "skin of a patient with {name}",
    "a typical case of {name}",
    "{name}, as seen in the clinic",
    "a dermoscopic image of {name}",
    "{name} under the dermatoscope",
    "a magnified view of {name} in polarised light",
]

# The same for stained tissue sections, which none of the above fits.
PATHOLOGY_TEMPLATES: list[str] = [
    "a histopathology image of {name}",
    "a histopathology image showing {name}",
    "a histological section of skin with {name}",
    "an H&E stained image of {name}",
    "a skin biopsy showing {name}",
    "a microscopic image of {name}",
    "a photomicrograph of skin tissue, {name}",
    "a pathology slide of {name}",
    "{name} under the microscope",
    "{name}, haematoxylin and eosin stain",
]

# Joins a class name and one visual description.
DESCRIPTION_TEMPLATE = "a photo of {name}: {description}"


def templates_for(modality: str, templates: Sequence[str] | None = None) -> Sequence[str] | None:
    """The templates for pictures of one modality: those that were given, else those for tissue sections.

    None stands for the bundled ones for photographs and dermoscopic pictures.
    """
    return PATHOLOGY_TEMPLATES if templates is None and modality == PATHOLOGICAL else templates


def template_prompts(name: str, templates: Sequence[str] | None = None) -> list[str]:
    """Every template with a class name in it.

    Args:
        name: of the class.
        templates: at least one; None for the bundled ones.

    >>> template_prompts("melanoma")[0]
    'a photo of melanoma'
    """
    return [filled(template, name) for template in templates or TEMPLATES]


def one_template(name: str, number: int, templates: Sequence[str] | None = None) -> str:
    """One template with a class name in it; numbers beyond the last begin again.

    >>> one_template("melanoma", 12)
    'a photo of melanoma'
    """
    known = templates or TEMPLATES
    return filled(known[number % len(known)], name)


def described(name: str, description: str) -> str:
    """One description, in the sentence that names its disease.

    >>> described("melanoma", "Edges notched like a coastline.")
    'a photo of melanoma: Edges notched like a coastline.'
    """
    return DESCRIPTION_TEMPLATE.format(name=name, description=description)
