"""The captions on a page: blocks of lines that begin with "Fig. 3.12", "Abb. 4", "Figura 2", "图 3" and the like.

A sentence of the text that begins with "Figure 3 shows" is none, nor is a line of the text that happens to begin with
"Fig. 3)".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from zsderm.pretrain.pages.boxes import Box, around
from zsderm.pretrain.pages.page import Line, Page
from zsderm.pretrain.pages.words import joined_lines

HANGING = 4.0  # sizes of a letter between a label and its caption beside it
_NUMBER = r"[SA]?\d{1,3}(?:\s?[.\-–‑]\s?\d{1,3}){0,2}|(?=[IVXLC])(?:X[LC]|L?X{0,3})(?:IX|IV|V?I{0,3})(?![A-Za-z])"
_LABEL = re.compile(
    r"""\W{0,2}(?P<word>(?:Supplementary\s|Online\s|e)?(?:FIG(?:URE|URA|UUR)?S?|Fig(?:ure|ura|uur)?s?|PLATE|Plate|IMAGE|Image|Imagen|Imagem|Immagine
    |PHOTO|Photo|Photograph|ABB(?:ILDUNG)?|Abb(?:ildung(?:en)?)?|Tafel|TAFEL|Bild|Tav(?:ola)?|L[áa]mina|Planche|图|圖))
    \s*\.?\s*(?P<number>"""
    + _NUMBER
    + r""")
    (?P<more>\s?(?:[-–&,]|and|und|y|e|et)\s?\d{1,3}(?=\s*[.:|](?:\s|$)))?
    (?P<letter>[a-hA-H](?:\s?[-–,&]\s?[a-hA-H])*(?![\w]))?
    (?:\s*[(\[（]?(?i:cont(?:inued|inuación|inuação|inua|\.|['’]d)?|fortsetzung|forts\.|suite|续)[)\]）]?(?=[\s.:：|）]|$|[^\x00-\x7f]))?
    (?P<sign>\s*[.:|–—-]+(?=\s|$)|\s*[:：|])?\s*(?P<rest>.*)$""",
    re.VERBOSE,
)
# How a sentence goes on whose subject is the figure, or in which it is mentioned.
_SENTENCE = re.compile(
    r"(?:[,;)\]]|(?:and|or|to|in|is|are|was|were|has|shows?|showed|showing|illustrates?|demonstrates?|depicts?|presents?|"
    r"reveals?|gives?|und|zeigt|zeigen|muestra|muestran|mostra|mostrano|montre|montrent|y|e|et)\b|[所]?[示为]|显示|可见|中)"
)
_MARKER = re.compile(r"[(\[]?[a-hA-H](?:\s?[-–,&]\s?[a-hA-H])*[)\].,:]?\s")
_ENDS = re.compile(r"[.!?:。！？]['\"”’)]*$")


@dataclass(frozen=True)
class Caption:
    """A caption, without its label.

    Attributes:
        number: as it is printed, such as "3.12".
        text: with whole words, its lines joined.
        box: around its lines.
        lines: how many they are.
        letter: the part that the label itself names: "a" in "Fig. 3a".
    """

    number: str
    text: str
    box: Box
    lines: int = 1
    letter: str = ""


def find_captions(page: Page) -> tuple[list[Caption], list[Line]]:
    """The captions of a page, and the lines that belong to none; lines inside of pictures are left out.

    Args:
        page: as it was read.
    """
    lines = [line for line in page.lines if not _within(line, page)]
    taken: set[int] = set()
    captions: list[Caption] = []
    known = {line.text for line in lines}
    for place, line in enumerate(lines):
        label = read_label(line.text)
        if place in taken or label is None or _continues_text(lines, place, taken):
            continue
        only_label = not label["rest"].strip()
        block = _block(lines, place, taken, only_label=only_label)
        if only_label and len(block) == 1 and (beside := _hanging(lines, place, taken)) is not None:
            block += _block(lines, beside, {*taken, place}, only_label=False)
        taken.update(block)
        parts = [lines[one] for one in block]
        rest = joined_lines([label["rest"], *(part.text for part in parts[1:])], known)
        number = ", ".join(re.sub(r"\s", "", label["number"]).split() + re.findall(r"\d+", label["more"] or ""))
        letter = label["letter"] or ""
        captions.append(Caption(number, rest, around(part.box for part in parts), len(parts), letter))
    return captions, [line for place, line in enumerate(lines) if place not in taken]


def read_label(text: str) -> re.Match[str] | None:
    """The label that a caption begins with: groups word, number, letter, sign and rest; None for other text.

    >>> read_label("Fig. 3.12 Psoriasis")["number"], read_label("Figure 3 shows psoriasis")
    ('3.12', None)
    """
    found = _LABEL.match(text)
    if found is None or not found["number"]:
        return None
    rest = found["rest"]
    marker = _MARKER.match(f"{rest} ")
    if _SENTENCE.match(rest) and not marker:
        return None
    lower = bool(rest) and rest[0].islower()
    if lower and not found["sign"] and not marker:
        return None
    return found


def _within(line: Line, page: Page) -> bool:
    """Whether a line stands inside a picture: letters and words that are drawn on it."""
    x, y = line.box.centre
    return any(
        box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1
        for box in (picture.box for picture in page.pictures if not picture.fault)
    )


def _continues_text(lines: Sequence[Line], place: int, taken: set[int]) -> bool:
    """Whether a line is in the middle of a paragraph of the text."""
    line = lines[place]
    for other, above in enumerate(lines):
        free = line.box.y0 - above.box.y1
        near = -0.5 * line.size < free < 0.5 * line.size and above.box.across(line.box) > 0.3 * line.box.width
        if other != place and other not in taken and near and _same_style(above, line, exact=True):
            return not _ENDS.search(above.text)
    return False


def _block(lines: Sequence[Line], first: int, taken: set[int], *, only_label: bool) -> list[int]:
    """The places of the lines of a caption."""
    block, usual = [first], _usual_style(lines)
    leading: float | None = None
    while True:
        last, box = lines[block[-1]], around(lines[one].box for one in block)
        below = [
            (lines[one].box.y0, one)
            for one in range(len(lines))
            if one not in taken
            and one not in block
            and lines[one].box.centre[1] > last.box.centre[1] + 0.4 * last.size
            and lines[one].box.across(box) > 0
        ]
        if not below:
            return block
        place = min(below)[1]
        line = lines[place]
        free = line.box.y0 - last.box.y1
        alone = only_label and len(block) == 1
        most = (leading + 0.3 * last.size) if leading is not None else (1.2 if alone else 0.75) * last.size
        if free > most or not _same_style(last, line, loose=alone) or not _aligned(box, line):
            return block
        if _is_other(line, last, box, usual):
            return block
        leading = free if leading is None else max(leading, free)
        block.append(place)


def _hanging(lines: Sequence[Line], first: int, taken: set[int]) -> int | None:
    """The place of the line right of a label that stands alone, from which its caption hangs in a column of its own."""
    label = lines[first]
    for place, line in enumerate(lines):
        level = abs(line.box.centre[1] - label.box.centre[1]) < 0.5 * label.size
        near = 0 < line.box.x0 - label.box.x1 < HANGING * label.size
        if place not in taken and level and near and read_label(line.text) is None:
            return place if _same_style(label, line, loose=True) and not _continues_text(lines, place, taken) else None
    return None


def _is_other(line: Line, last: Line, box: Box, usual: tuple[float, str]) -> bool:
    """Whether a line that stands close below a caption begins another one, or a paragraph of the text."""
    if read_label(line.text) is not None:
        return True
    if not _ENDS.search(last.text) or _MARKER.match(line.text) or _style(line) != usual:
        return False
    word = line.text.split()[0]
    room = max(box.x1, line.box.x1) - last.box.x1
    return room > line.box.width * (len(word) + 1) / len(line.text)  # it would have had room above


def _style(line: Line) -> tuple[float, str]:
    """The size of a line, to half a point, and its font."""
    return round(2 * line.size) / 2, _family(line.font)


def _usual_style(lines: Sequence[Line]) -> tuple[float, str]:
    """The style of most letters of a page, which is that of its text."""
    counts: Counter[tuple[float, str]] = Counter()
    for line in lines:
        counts[_style(line)] += len(line.text)
    return counts.most_common(1)[0][0]


def _same_style(one: Line, other: Line, *, exact: bool = False, loose: bool = False) -> bool:
    """Whether two lines may be of one paragraph, by size and font."""
    larger, smaller = max(one.size, other.size), max(0.1, min(one.size, other.size))
    if loose:
        return larger / smaller < 1.3
    return larger / smaller < (1.02 if exact else 1.06) and _family(one.font) == _family(other.font)


def _family(font: str) -> str:
    """A font without its style and without the six letters of a part of it that was embedded."""
    return re.sub(r"^[A-Z]{6}\+|[-,].*$|(?:Bold|Italic|Oblique|Roman|Regular|MT|PS)+$", "", font)


def _aligned(box: Box, line: Line) -> bool:
    """Whether a line begins where a caption does, hangs from it, or is centred below it."""
    indent = line.box.x0 - box.x0
    size = line.size
    centred = abs(line.box.centre[0] - box.centre[0]) < 0.6 * size
    right = abs(line.box.x1 - box.x1) < 0.6 * size
    return -1.0 * size < indent < 4.5 * size or centred or right
