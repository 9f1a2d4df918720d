"""How many pictures and captions of synthetic books `zsderm pretrain pages` matches correctly, by layout.

    python -m zsderm.benchmarks.experiments.pages --books 8 --data-root DATA \\
        --output docs/pages.json --document docs/pages.md

Prints Markdown, and puts it between "<!-- pages -->" and "<!-- end of pages -->" of a page. Every book has all layouts
of `made_layouts` and `made_odd_pages`, in an order and in styles that its seed draws: fonts, sizes, gaps, labels.
Photographs are parts of those in examples/, or of --data-root (pad/index.csv and ham10000/index.csv, the split dev),
whose modality is known. A pair is right if its picture is the one of the truth (its box shares half of both areas)
and its caption has the words of the truth and no others. One is glued if it has words of two captions.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from zsderm.benchmarks.experiments import made_odd_pages  # noqa: F401  (adds its layouts)
from zsderm.benchmarks.experiments.made_books import Book, Supply, Truth
from zsderm.benchmarks.experiments.made_layouts import LAYOUTS, draw
from zsderm.benchmarks.options import document_option, output_option
from zsderm.benchmarks.pages import publish
from zsderm.image_table import ImageTable

SETS = {"pad": "clinical", "ham10000": "dermoscopic"}
_FOLDER = click.Path(file_okay=False, path_type=Path)


@dataclass
class Tally:
    """Counts of one layout.

    Attributes:
        expected: pictures that have a caption in the truth.
        pairs: pictures of the layout that are in a pair.
        right: of these, with the right words.
        found: of these, with words of the right caption, whether all of them or not.
        glued: with words of two captions.
        patients: expected pairs with an age or a sex.
        patients_right: of these, with the right ones.
    """

    expected: int = 0
    pairs: int = 0
    right: int = 0
    found: int = 0
    glued: int = 0
    patients: int = 0
    patients_right: int = 0

    def add(self, other: Tally) -> None:
        """Add the counts of another book."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Result:
    """Counts of several books."""

    layouts: dict[str, Tally] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    modalities: Counter[str] = field(default_factory=Counter)  # "true > found"
    errors: list[str] = field(default_factory=list)
    pages: int = 0


def make_book(file: Path, seed: int, photographs: Sequence[tuple[Path, str]] = (), names: Iterable[str] = ()) -> Book:
    """Draw a book with every layout once, in an order of its own.

    Args:
        file: the PDF.
        seed: of all that is drawn by chance.
        photographs: files and their modality; without any those in examples/.
        names: of layouts; without any all.
    """
    supply = Supply(seed, photographs)
    book = Book(str(file), supply)
    order = list(names) or supply.rng.sample(sorted(LAYOUTS), len(LAYOUTS))
    for name in order:
        draw(book, name)
        if book.rng.random() < 0.3:
            book.restyle()
    book.save()
    return book


def photographs_of(root: Path, split: str = "dev") -> list[tuple[Path, str]]:
    """The photographs of two sets with their modality, as many of each."""
    found = []
    for name, modality in SETS.items():
        table = ImageTable.read(root / name / "index.csv").where("split", split)
        found += [(Path(path), modality) for path in table.files[:: max(1, len(table.files) // 150)]]
    return found


def run(file: Path, output: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Run the command in a process of its own; its pairs and what it dropped."""
    code = "from zsderm.cli import main; main()"
    command = [sys.executable, "-c", code, "-q", "pretrain", "pages", str(file), "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    tables = []
    for name in ("pairs.csv", "dropped.csv"):
        with (output / name).open(newline="", encoding="utf-8") as table:
            tables.append(list(csv.DictReader(table)))
    return tables[0], tables[1]


def judge(truth: Sequence[Truth], pairs: Sequence[dict[str, str]], dropped: Sequence[dict[str, str]]) -> Result:
    """Hold the tables of one book against what was drawn."""
    result = Result(dropped=Counter(re.split(r", on \d|: | the same", row["reason"])[0] for row in dropped))
    of_page: dict[int, list[Truth]] = {}
    for one in truth:
        of_page.setdefault(one.page, []).append(one)
        result.layouts.setdefault(one.layout, Tally()).expected += bool(one.caption)
    wholes = {words(one.whole) for one in truth if one.whole}
    for row in pairs:
        box = tuple(map(float, row["box"].split()))
        true = next((one for one in of_page.get(int(row["page"]), []) if _same(box, one.box)), None)
        layout = true.layout if true else (of_page.get(int(row["page"])) or truth[:1])[0].layout
        tally = result.layouts[layout]
        tally.pairs += 1
        said = words(row["caption"])
        right = true is not None and said == words(true.caption) and bool(true.caption)
        tally.right += right
        tally.found += true is not None and bool(true.caption) and said[:30] == words(true.caption)[:30]
        tally.glued += sum(_holds(said, one) for one in wholes) > 1
        if true and true.modality:
            result.modalities[f"{true.modality} > {row['modality']}"] += 1
        if right and true and (true.age or true.sex):
            tally.patients += 1
            tally.patients_right += (row["age"], row["sex"]) == (true.age, true.sex)
        if not right:
            wanted = true.caption if true else "(no picture there)"
            result.errors.append(f"{layout}, page {row['page']}: {row['caption']!r} instead of {wanted!r}")
    got = {(int(row["page"]), tuple(map(float, row["box"].split()))) for row in pairs}
    for one in truth:
        if one.caption and not any(page == one.page and _same(box, one.box) for page, box in got):
            result.errors.append(f"{one.layout}, page {one.page}: no pair for {one.caption!r}")
    return result


def words(text: str) -> str:
    """A text without spaces, hyphens and case: words that were divided count as whole."""
    return re.sub(r"[\W_]", "", text).lower()


def _holds(said: str, whole: str) -> bool:
    """Whether a caption has a good part of another: twenty letters from its middle or its end."""
    middle = len(whole) // 2
    return len(whole) > 40 and (whole[middle : middle + 20] in said or whole[-20:] in said)


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    common = max(0.0, min(one[2], other[2]) - max(one[0], other[0])) * max(
        0.0, min(one[3], other[3]) - max(one[1], other[1])
    )
    return all(common > 0.5 * (box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))


def measure(seeds: Iterable[int], photographs: Sequence[tuple[Path, str]] = ()) -> Result:
    """Make a book for each seed, take it apart, and count."""
    total = Result()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "book.pdf"
            book = make_book(file, seed, photographs)
            found = judge(book.truth, *run(file, Path(folder) / "out"))
        for name, tally in found.layouts.items():
            total.layouts.setdefault(name, Tally()).add(tally)
        total.dropped += found.dropped
        total.modalities += found.modalities
        total.errors += [f"seed {seed}, {line}" for line in found.errors]
        total.pages += book.page - 1
    return total


@click.command(help=__doc__)
@click.option(
    "--data-root",
    type=_FOLDER,
    envvar="ZSDERM_DATA",
    help="The folder with photographs of known modality; without it, those in examples/.",
)
@click.option("--books", default=20, show_default=True, type=click.IntRange(1))
@click.option(
    "--first-seed",
    default=1000,
    show_default=True,
    help="The seed of the first book; the constants of the method were set on seeds below 36.",
)
@click.option("--errors", is_flag=True, help="Print every wrong or missing pair.")
@output_option
@document_option
def main(
    data_root: Path | None, books: int, first_seed: int, errors: bool, output: Path | None, document: Path | None
) -> None:
    """Measure, print, and publish."""
    result = measure(range(first_seed, first_seed + books), photographs_of(data_root) if data_root else ())
    figures = {
        "books": books,
        "first_seed": first_seed,
        "pages": result.pages,
        "layouts": {name: asdict(tally) for name, tally in sorted(result.layouts.items())},
        "dropped": dict(result.dropped.most_common()),
        "modalities": dict(sorted(result.modalities.items())),
        "errors": result.errors,
    }
    publish({"pages": "\n".join(markdown(figures))}, figures, output, document)
    for line in result.errors if errors else ():
        click.echo(line, err=True)


def markdown(figures: dict[str, Any]) -> list[str]:
    """The tables: layouts, reasons, modalities."""
    rows = {name: Tally(**tally) for name, tally in figures["layouts"].items()}
    total = Tally()
    for tally in rows.values():
        total.add(tally)
    lines = [
        f"{figures['books']} synthetic books with {figures['pages']} pages in total, generated from seeds "
        f"{figures['first_seed']} to {figures['first_seed'] + figures['books'] - 1}.",
        "",
        "| layout | pictures with a caption | pairs | precision | recall | glued |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, tally in [*rows.items(), ("**all**", total)]:
        precision = f"{tally.right / tally.pairs:.3f}" if tally.pairs else ""
        recall = f"{tally.right / tally.expected:.3f}" if tally.expected else ""
        lines.append(f"| {name} | {tally.expected} | {tally.pairs} | {precision} | {recall} | {tally.glued} |")
    lines += [
        "",
        f"Age and sex were extracted correctly in {total.patients_right} of the {total.patients} right pairs whose "
        "captions state them.",
        "",
        "| reason for leaving out | pictures or captions |",
        "|---|--:|",
    ]
    lines += [f"| {reason} | {count} |" for reason, count in figures["dropped"].items()]
    found: dict[str, Counter[str]] = {}
    for name, count in figures["modalities"].items():
        true, _, said = name.partition(" > ")
        found.setdefault(true, Counter())[said] += count
    kinds = ("clinical", "dermoscopic", "pathological")
    lines += [
        "",
        "| true modality | " + " | ".join(f"classified as {kind}" for kind in kinds) + " |",
        "|---|--:|--:|--:|",
    ]
    lines += [f"| {true} | " + " | ".join(str(counts[kind]) for kind in kinds) + " |" for true, counts in found.items()]
    return lines


if __name__ == "__main__":
    main()
