"""Words for colours as captions have them, and the ten colours that questions ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping

# The words of each colour, and those from which nobody can say whether it is meant.
_OWN: Mapping[str, str] = {
    "red": "red reddish erythematous erythema redness crimson scarlet",
    "pink": "pink pinkish rosy rose salmon",
    "brown": "brown brownish tan hyperpigmented",
    "black": "black blackish jet",
    "blue": "blue bluish",
    "grey": "grey gray greyish grayish",
    "white": "white whitish depigmented",
    "yellow": "yellow yellowish",
    "purple": "purple purplish violet violaceous lilac",
    "orange": "orange",
}
_NEAR: Mapping[str, str] = {
    "red": "pink pinkish rosy rose salmon purple purplish violaceous violet dusky orange inflamed flushed bloody blood "
    "haemorrhagic hemorrhagic ruddy coppery copper rust rusty burgundy magenta plum wine beefy vascular telangiectasia "
    "telangiectatic vessel vessels maroon flesh strawberry raw fiery mahogany livid",
    "pink": "red reddish erythematous erythema redness flesh salmon inflamed flushed dusky lilac orange",
    "brown": "black blackish dark golden amber coffee chocolate bronze mahogany rust rusty coppery copper honey "
    "pigment pigmented pigmentation hyperpigmentation tanned orange dusky chestnut sepia beige umber freckle fawn",
    "black": "dark dusky ebony coal ink inky necrotic tarry blue grey gray comedo slate charcoal",
    "blue": "grey gray slate steel dusky violet violaceous purple purplish lilac black blackish livid inky cyanotic "
    "greenish",
    "grey": "blue bluish slate steel silver silvery ash ashen dusky white whitish lead smoky pearly dirty charcoal "
    "black",
    "white": "pale silver silvery ivory cream creamy milky chalky hypopigmented hypopigmentation light lighter grey "
    "gray pearly porcelain snow blanched scar shiny skin-coloured pallor frosted wickham bright translucent "
    "glistening waxy keratin scale scales scaling",
    "yellow": "golden gold amber honey cream creamy ivory straw waxy greasy orange sallow pus keratin pustule "
    "xanthoma lemon sulfur fatty crust crusts buttery carotene apricot",
    "purple": "blue bluish dusky plum wine mauve red-blue livid port-wine heliotrope magenta lavender haemorrhagic "
    "hemorrhagic purpura",
    "orange": "yellow yellowish red brown salmon apricot amber coppery copper rust rusty honey golden",
}
COLOURS = tuple(_OWN)
_MEANT = {word: colour for colour, words in _OWN.items() for word in words.split()}
_SHADES = "dark|light|pale|dull|bright|deep|dusky|steel|slate|mid|silvery|milky"
_MORE = (
    "silver|silvery|golden|gold|ivory|cream|creamy|beige|fawn|ebony|amber|slate|steel|rusty|coppery|skin-colou?red|"
    "flesh-colou?red"
)
_ONE = rf"(?:{'|'.join(sorted(_MEANT, key=len, reverse=True))}|{_MORE})"
_RUN = re.compile(
    rf"\b(?:(?:{_SHADES})[\s-])?{_ONE}(?:(?:-|/|\s*,\s*|\s+to\s+|-to-|\s+and\s+){_ONE})*s?\b", re.IGNORECASE
)
_COLOUR_NOUNS = frozenset({"erythema", "redness", "jet"})
# Behind a colour: it is not that of a lesion.
_OTHERS = re.compile(
    r"^[\s,-]*(?:\w+\s+)?(?:skin|hairs?|haired|hairline|lashes|beard|stubble|background|complexion|people|heads?|line|"
    r"tiles?|sun|ones|vessels?|veins?|pinpoints?)\b(?!\s*-)",
    re.IGNORECASE,
)
_LIKENESS = re.compile(r"\b(?:like|as if|as though|resembl\w*|recall\w*|shade of)\b[^.,;]*$", re.IGNORECASE)


def named_colours(sentence: str) -> list[str]:
    """The expressions for colours of a lesion, in the words of a sentence.

    Colours of hair, of healthy skin, of vessels and of what something is compared with are left out.

    >>> named_colours("A red-brown plaque with silvery scale and blue to grey dots, between black hairs.")
    ['red-brown', 'silvery', 'blue to grey']
    """
    found = []
    for match in _RUN.finditer(sentence):
        if match.group().lower() in _COLOUR_NOUNS:
            continue
        if not (_OTHERS.match(sentence[match.end() :]) or _LIKENESS.search(sentence[: match.start()])):
            found.append(match.group().lower())
    return list(dict.fromkeys(found))


def distinct(expressions: list[str]) -> list[str]:
    """Expressions without those whose words all stand in another one.

    >>> distinct(["brown", "dull brown", "red", "brown"])
    ['dull brown', 'red']
    """
    parts = {text: set(re.findall(r"[a-z]+", text)) for text in dict.fromkeys(expressions)}
    return [one for one in parts if not any(parts[one] < parts[other] for other in parts)]


def colours_in(expressions: list[str]) -> set[str]:
    """The colours of `COLOURS` that expressions name.

    >>> sorted(colours_in(["red-brown", "silvery"]))
    ['brown', 'red']
    """
    words = {word.removesuffix("s") for text in expressions for word in re.findall(r"[a-z]+", text)}
    return {_MEANT[word] for word in words if word in _MEANT}


def possible_colours(text: str) -> set[str]:
    """The colours that a text names or comes near to, for whatever thing: none of these may be denied.

    >>> sorted(possible_colours("A rosy patch."))
    ['pink', 'red']
    """
    words = set(re.findall(r"[a-z]+", text.lower()))
    words |= {word.removesuffix("s") for word in words}
    return {c for c in COLOURS if words & {*_OWN[c].split(), *_NEAR[c].split()}}
