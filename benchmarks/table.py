"""One table in the forms in which tables travel: Markdown for pages, LaTeX (booktabs) for papers, CSV for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsderm.atomic_files import atomic_file
from zsderm.csv_files import csv_file
from zsderm.manifest_files import refuse_others_manifest, run_facts, versions, write_manifest

FIRST = "data_set"  # the first column of every CSV file of tables
_BY = "zsderm benchmark --tables"
# How the files begin, see `zsderm.atomic_files.refuse_others`.
_MARKS = {
    ".md": re.compile(rb"\A<!-- zsderm benchmark"),
    ".tex": re.compile(rb"\A% zsderm benchmark"),
    ".csv": re.compile(rb"\Adata_set,"),
}
_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True)
class Figure:
    """A share with its 95 % interval, if it has one; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    bounds: bool = True  # whether an interval is shown, "–" for bounds that are undefined

    def __str__(self) -> str:
        return three(self.value) + (
            f" ({three(self.low)}–{three(self.high)})" if self.bounds and self.value is not None else ""
        )


@dataclass(frozen=True)
class Points:
    """A difference of two shares, shown in points of a hundred, with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Points:
        """Out of a mapping with "value", "low" and "high", as comparisons are kept."""
        return cls(found["value"], found["low"], found["high"])

    def __str__(self) -> str:
        value, low, high = (
            None if share is None else f"{100 * share:+.1f}" for share in (self.value, self.low, self.high)
        )
        return f"{value} ({low or '–'} to {high or '–'})"


Cell = str | Figure | Points


@dataclass(frozen=True, eq=False)
class Table:
    """What is shown, and the same for programs.

    Attributes:
        columns: titles.
        rows: one cell a column.
        notes: sentences below the table.
        records: the rows as CSV has them, all with the same keys, the first of which is ``data_set``: numbers are not
            rounded, shares are from 0 to 1, and an interval has columns of its own.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    records: Sequence[Mapping[str, object]] = field(default_factory=list)

    def to_markdown(self) -> str:
        """The table, an empty line and the notes."""
        lines = [f"| {' | '.join(self.columns)} |", "|" + "---|" * len(self.columns)]
        lines += [f"| {' | '.join(map(_markdown, row))} |" for row in self.rows]
        return "\n".join([*lines, *(["", *map(_markdown, self.notes)] if self.notes else [])])

    def to_latex(self) -> str:
        r"""A tabular with the rules of booktabs, for ``\input``; the notes are comments above it."""
        lines = [f"% {_BY}; needs \\usepackage{{booktabs}}", *(f"% {note}" for note in self.notes)]
        lines += [f"\\begin{{tabular}}{{{'l' * len(self.columns)}}}", r"\toprule", _row(self.columns), r"\midrule"]
        lines += [_row(list(map(str, row))) for row in self.rows]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])

    def write(self, stem: Path, command: str | None = None) -> list[Path]:
        """Write STEM.md, STEM.tex and STEM.csv with its manifest; earlier ones of ours are replaced.

        Args:
            stem: the place without a suffix.
            command: the command line, for the manifest.

        Returns:
            The files, without the manifest.

        Raises:
            SettingsError: a file of somebody else is there, or the place cannot be written.
        """
        files = {suffix: stem.with_name(f"{stem.name}{suffix}") for suffix in _MARKS}
        refuse_others_manifest(files[".csv"])
        for suffix, text in ((".md", f"<!-- {_BY} -->\n\n{self.to_markdown()}"), (".tex", self.to_latex())):
            with atomic_file(files[suffix], mark=_MARKS[suffix]) as draft:
                draft.write_text(f"{text}\n", encoding="utf-8")
        columns = list(self.records[0]) if self.records else [FIRST]
        with csv_file(files[".csv"], columns, mark=_MARKS[".csv"]) as rows:
            rows.write_all(
                {name: "" if value is None else value for name, value in row.items()} for row in self.records
            )
        write_manifest(files[".csv"], {"manifest": {"run": run_facts(command), "versions": versions()}})
        return list(files.values())


def three(value: float | None) -> str:
    """A share with three decimals; a dash where it is undefined."""
    return "–" if value is None else f"{value:.3f}"


def _markdown(cell: Cell) -> str:
    """A cell in which no sign has a meaning."""
    return re.sub(r"([*|])", r"\\\1", " ".join(str(cell).split()))


def _row(cells: Sequence[str]) -> str:
    return " & ".join("".join(_LATEX.get(sign, sign) for sign in " ".join(cell.split())) for cell in cells) + r" \\"
