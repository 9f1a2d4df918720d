"""What an audit found: pairs, shared patients, and the table, the page and the sentence that say it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from zsderm.atomic_files import atomic_file
from zsderm.csv_files import open_csv, write_frame
from zsderm.file_names import printable
from zsderm.images import passed_over_text
from zsderm.report.contact_sheet import ContactSheet, Part, Strip, Tile
from zsderm.tasks.audit.image_sets import ImageSet
from zsderm.tasks.audit.perceptual_hash import BITS
from zsderm.wording import counted

PLACES = ("across", "within train", "within test")
KINDS = {
    "exact": "equal files",
    "perceptual": "look-alikes by perceptual hash",
    "embedding": "near neighbours by embedding",
}
SHOWN = 200  # pairs per section of the page; the table has them all
NAMED = 3  # shared groups named in the summary


@dataclass(frozen=True)
class Pair:
    """Two photographs that are too alike; rows count through the train set and then the test set."""

    kind: str  # a key of KINDS
    where: str  # one of PLACES
    one: int
    other: int
    bits: int | None = None  # in which the perceptual hashes differ
    cosine: float | None = None

    def order(self) -> tuple[int, int, float, int, int]:
        """Across before within, strongest first."""
        distance = self.bits if self.bits is not None else -(self.cosine or 0.0)
        return PLACES.index(self.where), list(KINDS).index(self.kind), distance, self.one, self.other

    @property
    def measure(self) -> str:
        """How alike, in words."""
        if self.bits is not None:
            return f"{self.bits} of {BITS} bits differ"
        return "equal files" if self.cosine is None else f"cosine {self.cosine:.5f}"


@dataclass(frozen=True)
class Overlap:
    """Patients or lesions that stand in both sets."""

    column: str
    train: int  # different ones in each set
    test: int
    shared: tuple[str, ...]
    test_images: int  # of the shared ones


@dataclass(frozen=True, eq=False)
class AuditReport:
    """What two sets share, and what each repeats.

    Attributes:
        sets: train, and test where there is one.
        pairs: across before within, strongest first; see `zsderm.tasks.audit.near_duplicates.audit`.
        overlaps: one per group column.
        errors: a reason for each image that could not be read, by path.
        bits: within which hashes counted as equal.
        cosine: at which embeddings counted as equal; None where they were not compared.
        encoder: its name and fingerprint; empty where embeddings were not compared.
        features: (N, D) float32 unit rows of the photographs of both sets, zeros where one cannot be read; None where
            embeddings were not compared.
    """

    sets: tuple[ImageSet, ...]
    pairs: tuple[Pair, ...]
    overlaps: tuple[Overlap, ...]
    errors: Mapping[str, str]
    bits: int
    cosine: float | None
    encoder: str
    features: npt.NDArray[np.float32] | None = None

    @property
    def paths(self) -> list[str]:
        """The N photographs of both sets, as they were given."""
        return [str(path) for images in self.sets for path in images.paths]

    @property
    def groups(self) -> dict[str, list[str]]:
        """By column, the group of each of the N photographs; an empty text where it is unknown."""
        return {name: [cell for images in self.sets for cell in images.groups[name]] for name in self.sets[0].groups}

    @property
    def leaks(self) -> bool:
        """Whether a photograph, a patient or a lesion stands on both sides."""
        return any(pair.where == "across" for pair in self.pairs) or any(found.shared for found in self.overlaps)

    @property
    def headline(self) -> str:
        """What is shared, or repeated where there is one set, in a few words."""
        pairs = sum(pair.where == "across" for pair in self.pairs) if len(self.sets) > 1 else len(self.pairs)
        found = [_several(pairs, "pair"), *(_several(len(o.shared), f"shared {o.column}") for o in self.overlaps)]
        what = " and ".join(filter(None, found))
        if len(self.sets) == 1:
            return f"{what} within the set" if what else "Nothing is repeated"
        return f"{what} across the sets" if what else "Nothing is shared"

    def counts(self) -> dict[str, dict[str, int]]:
        """Pairs by place and kind."""
        number = Counter((pair.where, pair.kind) for pair in self.pairs)
        kinds = [kind for kind in KINDS if kind != "embedding" or self.cosine is not None]
        places = PLACES if len(self.sets) > 1 else PLACES[1:2]
        return {place: {kind: number[place, kind] for kind in kinds} for place in places}

    def to_dict(self) -> dict[str, object]:
        """The figures, ready for JSON."""
        return {
            "sets": {printable(images.source): len(images) for images in self.sets},
            "passed_over": {printable(images.source): dict(images.passed_over) for images in self.sets},
            "unreadable": len(self.errors),
            "bits": self.bits,
            "cosine": self.cosine,
            "encoder": self.encoder,
            "pairs": self.counts(),
            "overlaps": {
                found.column: {
                    "train": found.train,
                    "test": found.test,
                    "shared": len(found.shared),
                    "test_images": found.test_images,
                }
                for found in self.overlaps
            },
            "leaks": self.leaks,
        }

    def to_markdown(self) -> str:
        """The figures as a table and a few sentences."""
        return "\n".join(self._lines())

    def to_frame(self) -> pd.DataFrame:
        """One row per pair: where, kind, one, other, bits, cosine, and for each group column the ids they share."""
        paths, groups = self.paths, self.groups
        rows = [
            {
                "where": pair.where,
                "kind": pair.kind,
                "one": printable(paths[pair.one]),
                "other": printable(paths[pair.other]),
                "bits": "" if pair.bits is None else pair.bits,
                "cosine": "" if pair.cosine is None else round(pair.cosine, 6),
                **{f"same_{name}": _same(cells[pair.one], cells[pair.other]) for name, cells in groups.items()},
            }
            for pair in self.pairs
        ]
        columns = ["where", "kind", "one", "other", "bits", "cosine", *(f"same_{name}" for name in groups)]
        return pd.DataFrame(rows, columns=columns)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table of ``to_frame`` as CSV; the file is replaced whole or not at all."""
        with atomic_file(path) as draft, open_csv(draft) as file:
            write_frame(self.to_frame(), file)

    def sheet(self) -> ContactSheet:
        """The pairs side by side, as a page."""
        parts = []
        for place in self.counts():
            own = [pair for pair in self.pairs if pair.where == place]
            more = f" The first {SHOWN}; the table has them all." if len(own) > SHOWN else ""
            legend = f"Strongest first.{more}" if own else ""
            heading = f"{place.capitalize()}: {_several(len(own), 'pair') or 'nothing'}"
            parts.append(Part(self._strips(own), heading, legend, paired=True))
        return ContactSheet(
            kicker="zsderm audit",
            title=self.headline,
            lead="Each set beside itself, and both beside each other."
            if len(self.sets) > 1
            else "One set beside itself.",
            parts=parts,
            facts=list(self._facts()),
            caution="Look at each pair: what a hash or an encoder finds alike need not be the same lesion.",
        )

    def _lines(self) -> Iterator[str]:
        kinds = list(next(iter(self.counts().values())))
        yield "| pairs | " + " | ".join(KINDS[kind] for kind in kinds) + " |"
        yield "|---|" + "--:|" * len(kinds)
        for place, number in self.counts().items():
            yield f"| {place} | " + " | ".join(str(number[kind]) for kind in kinds) + " |"
        yield ""
        yield from (f"{name}: {text}." for name, text in self._facts())

    def _facts(self) -> Iterator[tuple[str, str]]:
        for name, images in zip(("Train", "Test"), self.sets, strict=False):
            left_out = f"; passed over: {passed_over_text(images.passed_over)}" if images.passed_over else ""
            yield name, f"{printable(images.source)}, {counted(len(images), 'image')}{left_out}"
        for found in self.overlaps:
            named = ", ".join(found.shared[:NAMED]) + (", ..." if len(found.shared) > NAMED else "")
            touched = f" ({named}), {found.test_images} test images" if found.shared else ""
            yield f"Shared {found.column}", f"{len(found.shared)} of {found.train} and {found.test}{touched}"
        yield "Look-alike", f"at most {self.bits} of {BITS} bits differ, mirrored and turned copies included"
        if self.cosine is not None:
            yield "Near neighbour", f"cosine of at least {self.cosine:g}, {self.encoder}"
        if self.errors:
            yield "Unreadable", f"{counted(len(self.errors), 'image')}, left out"

    def _strips(self, pairs: Sequence[Pair]) -> Iterator[Strip]:
        paths, groups = self.paths, self.groups
        train = len(self.sets[0])
        for pair in islice(pairs, SHOWN):
            tiles = [Tile(paths[row], "test" if row >= train else "train") for row in (pair.one, pair.other)]
            shared = [f"same {name}" for name, cells in groups.items() if _same(cells[pair.one], cells[pair.other])]
            yield Strip(tiles, pair.kind, "; ".join([pair.measure, *shared]))


def _several(count: int, what: str) -> str:
    """``3 pairs``; empty for none."""
    return f"{count} {what}{'' if count == 1 else 's'}" if count else ""


def _same(one: str, other: str) -> str:
    """The id that two images share; empty where they differ or one is unknown."""
    return one if one == other else ""
