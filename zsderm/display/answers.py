"""Predictions in one line of text, and as a table for a notebook.

Letters: N images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from zsderm.display.tables import html_table, notes_in_html
from zsderm.wording import counted

SHOWN = 20  # rows of the table
_NAMED = 3  # classes named in the line
_LONGEST = 160  # characters of a sentence

Ranked = Sequence[Sequence[tuple[str, float]]]


def answers_line(labels: Sequence[str], classes: Sequence[str], method: str) -> str:
    """How many images, what they were mostly called, by which method.

    Args:
        labels: N names of classes; empty for an image without an answer.
        classes: all of them.
        method: the one really used.

    >>> answers_line(["nevus", "", "nevus"], ["nevus", "melanoma"], "kpl")
    '3 images, 2 classes, method kpl: nevus 2; 1 without an answer'
    """
    counts = Counter(filter(None, labels)).most_common()
    named = ", ".join(f"{name} {count}" for name, count in counts[:_NAMED]) or "no answer"
    more = f" and {counted(len(counts) - _NAMED, 'more class', 'more classes')}" if len(counts) > _NAMED else ""
    without = sum(not label for label in labels)
    gaps = f"; {without} without an answer" if without and counts else ""
    images, choices = counted(len(labels), "image"), counted(len(classes), "class", "classes")
    return f"{images}, {choices}, method {method}: {named}{more}{gaps}"


def answers_table(
    line: str,
    images: Sequence[str],
    ranked: Ranked,
    evidence: Sequence[str],
    errors: Mapping[str, str],
    notes: Iterable[str] = (),
) -> str:
    """The first images with their two most probable classes and a sentence, or the reason for no answer.

    Args:
        line: what stands above.
        images: N names.
        ranked: for each image, classes with their probabilities, best first; empty for one without an answer.
        evidence: N sentences that are typical of the answers, which may be empty.
        errors: the reason for each image without an answer.
        notes: what stands below.
    """

    def rows() -> Iterator[tuple[str, ...]]:
        for image, best, sentence in islice(zip(images, ranked, evidence, strict=True), SHOWN):
            told = sentence if best else errors.get(image, "")
            short = told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1].rstrip()}…"
            yield (image, *(f"{name} {share:.0%}" for name, share in best[:2]), *[""] * (2 - len(best[:2])), short)

    rest = len(images) - SHOWN
    more = f"and {counted(rest, 'more image')}; all of them: predictions.to_frame()" if rest > 0 else ""
    header = ("image", "answer", "next", "typical of this class, or why there is no answer")
    return html_table(line, header, rows(), more) + notes_in_html(notes)
