"""Photographs with what was answered beside them, for a notebook or as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath

import pandas as pd

from zsderm.atomic_files import atomic_file
from zsderm.display.pictures import small_picture
from zsderm.display.tables import notes_in_html, text_in_html
from zsderm.errors import ImageError, InputError, SettingsError
from zsderm.images import ImageSource, named
from zsderm.table_files import check_suffix
from zsderm.wording import counted

CAUTION = "Guesses of a machine. Research software, not a medical device."
SIDE = 176  # pixels of the longer side of a picture
_RIGHT, _WRONG = "#2e8b57", "#c8502d"  # legible on light and on dark; a word stands beside them
_CARD = "width:210px;border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:10px;box-sizing:border-box"
_FRAME = f"height:{SIDE}px;display:flex;align-items:center;justify-content:center;margin-bottom:8px"
_LINE = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"


@dataclass(frozen=True, eq=False)
class Shot:
    """One photograph and its answer.

    Attributes:
        name: of the photograph.
        picture: its path, or the picture itself.
        ranked: classes with their probabilities, best first; empty where there is no answer.
        remark: why there is no answer, or what else is to be said.
        true: the true class; empty where it is not known.
    """

    name: str
    picture: ImageSource
    ranked: Sequence[tuple[str, float]]
    remark: str = ""
    true: str = ""

    def to_html(self) -> str:
        """The photograph above its answer."""
        name = text_in_html(PurePath(self.name).name)
        parts = [f'<div style="{_FRAME}">{_picture(self.picture, name)}</div>']
        parts.append(f'<div style="{_LINE};opacity:.7" title="{text_in_html(self.name)}">{name}</div>')
        for place, (label, share) in enumerate(self.ranked):
            weight = "bold" if place == 0 else "normal"
            shown = text_in_html(label)
            parts.append(
                f'<div style="display:flex;justify-content:space-between;gap:6px;font-weight:{weight}">'
                f"<span>{shown}</span><span>{share:.0%}</span></div>"
                '<div style="height:4px;border-radius:2px;background:rgba(128,128,128,.25);margin:1px 0 4px">'
                f'<div style="height:4px;border-radius:2px;background:#4a7fb5;width:{100 * share:.0f}%"></div></div>'
            )
        if self.true and self.ranked:
            right = self.ranked[0][0] == self.true
            said = "right" if right else f"wrong: {self.true}"
            colour = _RIGHT if right else _WRONG
            parts.append(f'<div style="color:{colour};font-weight:bold">{text_in_html(said)}</div>')
        if self.remark:
            parts.append(f'<div style="font-size:.9em">{text_in_html(self.remark)}</div>')
        return f'<div style="{_CARD}">{"".join(parts)}</div>'


@dataclass(frozen=True, eq=False)
class Gallery:
    """Photographs side by side. A notebook shows it by itself; `save` writes it as a page.

    Attributes:
        title: what the photographs are.
        shots: those that are shown.
        of_all: how many there are.
        notes: what is to be known of the answers.
    """

    title: str
    shots: Sequence[Shot]
    of_all: int
    notes: Sequence[str] = ()

    def __repr__(self) -> str:
        return (
            f"Gallery({len(self.shots)} of {counted(self.of_all, 'photograph')}; a notebook shows it, save writes it)"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rest = self.of_all - len(self.shots)
        more = f"and {counted(rest, 'more photograph')}. " if rest else ""
        cards = "".join(shot.to_html() for shot in self.shots)
        return (
            f'<div style="margin:.3em 0"><b>{text_in_html(self.title)}</b></div>'
            f'<div style="display:flex;flex-wrap:wrap;gap:12px;line-height:1.35;font-size:13px">{cards}</div>'
            f'{notes_in_html(self.notes)}<div style="opacity:.7;margin:.5em 0">{more}{CAUTION}</div>'
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the gallery as an HTML page of its own; the file is replaced whole or not at all.

        Raises:
            SettingsError: another suffix than .html or .htm, or the place cannot be written.
        """
        check_suffix(path, ".html", ".htm")
        head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        page = (
            f"{head}<title>{text_in_html(self.title)}</title>"
            f'<body style="font-family:system-ui,sans-serif;margin:24px">{self._repr_html_()}</body>'
        )
        with atomic_file(path) as draft:
            draft.write_text(page + "\n", encoding="utf-8")


def gallery_of(
    title: str,
    names: Sequence[str],
    images: object,
    ranked: Sequence[Sequence[tuple[str, float]]],
    remarks: Mapping[str, str],
    true: Sequence[str] | None,
    most: int,
    notes: Sequence[str] = (),
) -> Gallery:
    """The gallery of N answered images.

    Args:
        title: what stands above.
        names: N names, paths where ``images`` is None.
        images: N photographs in any form that a classifier takes.
        ranked: N lists of classes with probabilities, best first.
        remarks: by the name of an image, what else is said of it.
        true: N true classes; empty, None or NaN where one is not known.
        most: how many are shown.
        notes: what stands below.

    Raises:
        ImageError: no image is where its name says.
        InputError: not N images or true classes.
        SettingsError: ``most`` below 1.
    """
    if most < 1:
        raise SettingsError(f"Expected argument `most` to be at least 1, but got {most}.")
    if images is None and names and not any(map(os.path.exists, names)):
        raise ImageError(
            "the photographs are not where they were, or were none of files: give them, as in predictions.plot(images)"
        )
    sources: Sequence[ImageSource] = names if images is None else named(images).sources
    for what, given in (("images", sources), ("true", true)):
        if given is not None and len(given) != len(names):
            raise InputError(
                f"Expected `{what}` to have one entry for each of {len(names)} images, but got {len(given)}."
            )
    labels = [""] * len(names) if true is None else ["" if pd.isna(label) else str(label) for label in true]
    rows = zip(names, sources, ranked, labels, strict=True)
    shots = [Shot(name, source, best, remarks.get(name, ""), label) for name, source, best, label in islice(rows, most)]
    return Gallery(title, shots, len(names), notes)


def _picture(source: ImageSource, name: str) -> str:
    try:
        data = small_picture(source, SIDE, at_least=SIDE)
    except ImageError as error:
        return f'<span style="opacity:.7;text-align:center">{text_in_html(error)}</span>'
    return f'<img alt="{name}" src="{data}" style="max-width:100%;border-radius:3px">'
