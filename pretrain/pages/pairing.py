"""From the pages of one document to pairs: every picture with its caption, or with the reason why it has none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zsderm.pretrain.pages.boxes import Box
from zsderm.pretrain.pages.captions import Caption, find_captions
from zsderm.pretrain.pages.habits import habit_of
from zsderm.pretrain.pages.looks import drawing
from zsderm.pretrain.pages.matching import Match, match
from zsderm.pretrain.pages.nearness import Scene, find_gutter
from zsderm.pretrain.pages.page import Line, Page, Picture
from zsderm.pretrain.pages.panels import in_order, letters_in, split_caption
from zsderm.pretrain.pages.records import Document
from zsderm.pretrain.pages.spreads import Left, spreads

ORNAMENT_PAGES, ORNAMENT_SHARE = 3, 0.08  # a picture on so many pages that takes up no more of one is an ornament
NO_CAPTION, NO_PICTURE, NO_WORDS = "no caption", "no picture for this caption", "the caption has no words"
BY_NUMBER = "by its number"  # in place of a side
DRAWN = "drawn with lines, no photograph"
IN_ONE, UNSURE, SHARED = "parts in one picture", "letters unsure", "one caption for several pictures"
_MARK = re.compile(r"[(\[]?([a-pA-P])[)\].]?")
_MARK_NEAR = 14.0  # points between a picture and the letter that stands at it


@dataclass(frozen=True)
class Found:
    """A picture and its caption, before anything is taken out of the text."""

    picture: Picture
    page: int
    caption: str
    figure: str
    letter: str
    side: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dropped:
    """A picture or a caption that is in no pair, and why."""

    page: int
    reason: str
    picture: Picture | None = None
    caption: str = ""
    figure: str = ""
    box: tuple[float, ...] = ()


@dataclass
class Pairing:
    """What came out of a document."""

    found: list[Found] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    habit: dict[str, float] = field(default_factory=dict)
    certain: int = 0  # matches that the habit was learned from


def pair(document: Document, output: Path) -> Pairing:
    """Match the captions of a document to its pictures; its pages are gone through three times, and not kept.

    Args:
        document: whose pages were read, see `zsderm.pretrain.pages.records`.
        output: the folder of the records.
    """
    repeated = _repeated(document.read_pages(output))
    first = [one for page in document.read_pages(output) for one in _Table(page, repeated).matches({})]
    result = Pairing(habit=habit_of(first), certain=sum(one.certain for one in first))
    rest: list[Left] = []
    for page in document.read_pages(output):
        table = _Table(page, repeated)
        result.dropped += table.faults()
        matches = table.matches(result.habit)
        for one in matches:
            table.take(result, page, table.captions[one.caption], [table.places[n] for n in one.pictures], one.side)
        if (left := table.left(matches)).pictures or left.captions or not left.text:
            rest.append(left)
    _over_pages(result, rest)
    _by_number(result)
    result.found.sort(key=lambda one: (one.page, one.picture.filename))
    result.dropped.sort(key=lambda one: one.page)
    return result


def _repeated(pages: Iterable[Page]) -> dict[str, int]:
    """Digests of small pictures that stand on several pages -> on how many."""
    counts: Counter[str] = Counter()
    for page in pages:
        small = {
            one.digest
            for one in page.pictures
            if one.digest and one.box.area <= ORNAMENT_SHARE * page.width * page.height
        }
        counts.update(small)
    return {digest: count for digest, count in counts.items() if count >= ORNAMENT_PAGES}


class _Table:
    """One page, its captions, and the pictures and drawings that may be theirs."""

    def __init__(self, page: Page, repeated: dict[str, int]) -> None:
        self.page, self._repeated = page, repeated
        self.captions, self.text = find_captions(page)
        fit = [n for n, one in enumerate(page.pictures) if not one.fault and one.digest not in repeated]
        boxes = [page.pictures[n].box for n in fit]
        drawn = [box for box in page.drawings if not any(box.common(one) > 0.3 * one.area for one in boxes)]
        self.places = [*fit, *range(-len(drawn), 0)]  # negative for drawings
        self._scene = Scene([*boxes, *drawn], self.captions, self.text, find_gutter(self.text, page.width))

    def matches(self, habit: dict[str, float]) -> list[Match]:
        """The assignment within the page."""
        return match(self._scene, habit)

    def faults(self) -> Iterator[Dropped]:
        """What cannot be used, whatever caption it has."""
        if self.page.fault:
            yield Dropped(self.page.number, self.page.fault)
        for one in self.page.pictures:
            if one.fault:
                yield Dropped(self.page.number, one.fault, one)
            elif one.digest in self._repeated:
                yield Dropped(self.page.number, f"ornament, on {self._repeated[one.digest]} pages", one)

    def left(self, matches: Sequence[Match]) -> Left:
        """What has found no partner on its own page."""
        taken = {self.places[n] for one in matches for n in one.pictures}
        pictures = tuple(n for n in self.places if n >= 0 and n not in taken)
        has = {one.caption for one in matches}
        captions = tuple(one for n, one in enumerate(self.captions) if n not in has)
        return Left(self.page, pictures, captions, tuple(self.text), bool(matches))

    @staticmethod
    def take(result: Pairing, page: Page, caption: Caption, places: Sequence[int], side: str) -> None:
        """Note a caption with its pictures, and drawings with negative places."""
        if all(place < 0 for place in places):
            box = tuple(caption.box.rounded())
            result.dropped.append(Dropped(page.number, DRAWN, None, caption.text, caption.number, box))
            return
        pictures = [page.pictures[place] for place in places if place >= 0]
        _take(result, page.number, caption, pictures, side, page.lines)


def _take(
    result: Pairing, page: int, caption: Caption, pictures: Sequence[Picture], side: str, lines: Sequence[Line] = ()
) -> None:
    if not re.search(r"\w{2}", caption.text):
        result.dropped += [Dropped(page, NO_WORDS, one, caption.text, caption.number) for one in pictures]
        return
    for picture, letter, text, flags in shared_out(caption, pictures, lines):
        reason = drawing(picture.looks)
        if reason:
            result.dropped.append(Dropped(page, reason, picture, text, caption.number))
        else:
            result.found.append(Found(picture, page, text, caption.number, letter, side, flags))


def shared_out(
    caption: Caption, pictures: Sequence[Picture], lines: Sequence[Line]
) -> Iterator[tuple[Picture, str, str, tuple[str, ...]]]:
    """A caption given to its pictures: for each its letter, its text, and what is not sure of it.

    Args:
        caption: of all of them.
        pictures: in reading order.
        lines: of the page, among them letters that stand at the pictures.
    """
    letters, parts = letters_in(caption.text), split_caption(caption.text)
    if len(pictures) == 1:
        flags = (IN_ONE,) if len(letters) > 1 else ()
        yield pictures[0], caption.letter.lower(), caption.text, flags
        return
    marks = _marks(pictures, lines)
    if letters and (len(letters) == len(pictures) or set(marks) <= set(letters)):
        own = marks if len(marks) == len(pictures) and set(marks) <= set(letters) else letters
        if len(own) == len(pictures):
            for picture, letter in zip(pictures, own, strict=True):
                yield picture, letter, parts.caption(letter) if parts else caption.text, () if parts else (SHARED,)
            return
    unsure = (SHARED, UNSURE) if letters else (SHARED,)
    for picture, letter in zip(pictures, in_order(len(pictures)), strict=True):
        yield picture, letter, caption.text, unsure


def _marks(pictures: Sequence[Picture], lines: Sequence[Line]) -> list[str]:
    """The letters that stand on or at pictures, one for each; an empty list where they are not all there once."""
    found: list[str] = []
    marks = [(mark[1].lower(), line.box) for line in lines if (mark := _MARK.fullmatch(line.text))]
    for picture in pictures:
        near = sorted(
            (max(-picture.box.across(box), -picture.box.along(box), 0.0), letter)
            for letter, box in marks
            if min(picture.box.across(box), picture.box.along(box)) > -_MARK_NEAR
        )
        if near:
            found.append(near[0][1])
    return found if len(set(found)) == len(pictures) else []


def _over_pages(result: Pairing, rest: Sequence[Left]) -> None:
    """Match what pages left over to that of their neighbours, and note what stays alone."""
    used: set[tuple[str, int, int]] = set()
    by_page = {left.page.number: left for left in rest}
    for one in spreads(rest, result.habit):
        at, of = by_page[one.caption_page], by_page[one.picture_page]
        used.add(("caption", one.caption_page, one.caption))
        used.update(("picture", one.picture_page, place) for place in one.pictures)
        pictures = [of.page.pictures[place] for place in one.pictures]
        _take(result, of.page.number, at.captions[one.caption], pictures, one.how, of.page.lines)
    for left in rest:
        number = left.page.number
        for place in left.pictures:
            if ("picture", number, place) not in used:
                picture = left.page.pictures[place]
                result.dropped.append(Dropped(number, drawing(picture.looks) or NO_CAPTION, picture))
        for place, caption in enumerate(left.captions):
            if ("caption", number, place) not in used:
                box = tuple(caption.box.rounded())
                result.dropped.append(Dropped(number, NO_PICTURE, None, caption.text, caption.number, box))


def _by_number(result: Pairing) -> None:
    """Match pictures at which only "Figure 3" stands to the one caption of that number in a list of legends."""
    labelled: dict[str, list[Dropped]] = {}
    legends: dict[str, list[Dropped]] = {}
    for one in result.dropped:
        if one.reason == NO_WORDS and one.picture:
            labelled.setdefault(one.figure, []).append(one)
        elif one.reason == NO_PICTURE and re.search(r"\w{2}", one.caption):
            legends.setdefault(one.figure, []).append(one)
    for number, group in labelled.items():
        pages = {one.page for one in group}
        if len(pages) != 1 or len(legends.get(number, ())) != 1:
            continue
        (legend,) = legends[number]
        used = [legend, *group]
        result.dropped = [one for one in result.dropped if not any(one is other for other in used)]
        pictures = [one.picture for one in group if one.picture]
        caption = Caption(number, legend.caption, Box(*legend.box))
        _take(result, pages.pop(), caption, pictures, BY_NUMBER)
