"""Which judge lets a refinement act where it helps, and never where it harms? Candidates and judges on many folders.

    python -m zsderm.benchmarks.experiments.refinement_judges --data-root DATA --cache-dir CACHE \\
        --home zsderm-mini --away first=FOLDER:isic2017/index.csv,onychomycosis/index.csv \\
        --away "without PAD=FOLDER:pad/index.csv" \\
        --output docs/refinement_judges.json --document docs/refinement_judges.md

DATA holds pad/, ham10000/, isic2017/ and onychomycosis/, each with an index.csv. --away names an encoder, its folder
and the tables that it has never seen. Folders of seven regimes are drawn from these images, as every encoder sees
them in four qualities, and from synthetic images; for each of them every candidate says its labels, and the evidence
without labels is noted. A judge learns its thresholds on tuning folders, so that none of these loses more than a point
or one image, whichever is more, and is then tried once on reserved ones: other seeds, and, where images are real, of a
source and of an encoder that the thresholds have not seen, each pair in turn.

Prints Markdown; --document puts it between the lines <!-- refinement judges --> and <!-- end of refinement judges -->
of a page, and between marks of other parts. --keep writes all rows as CSV, and --rows reads them, to judge anew. With
--part the tuning or the reserved folders are measured alone, and only kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click
import pandas as pd

from zsderm import load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.experiments.refinement_evidence import auto_row, evidence_rows
from zsderm.benchmarks.experiments.refinement_folders import SOURCES, Folder, folders
from zsderm.benchmarks.experiments.refinement_outcomes import (
    as_they_come,
    let_loose_without_bias,
    outcomes,
    rules,
    single_outcomes,
)
from zsderm.benchmarks.experiments.refinement_pools import Pool, real_pools, synthetic_pools
from zsderm.benchmarks.experiments.refinement_tables import (
    figures,
    figures_by,
    grouped,
    in_full,
    listed,
    overview,
    verdict,
)
from zsderm.benchmarks.options import cache_dir_option, data_root_option, document_option, output_option
from zsderm.benchmarks.pages import publish
from zsderm.config import DEFAULT_MODEL
from zsderm.encoders import Encoder

# Fixed before any reserved folder was looked at.
SEEDS = {"tuning": (0, 1), "reserved": (1000, 1001)}
SYNTHETIC_POOLS = {"tuning": 20, "reserved": 30}  # for each seed
FIRST_FOLDER = {"tuning": 0, "reserved": 100_000}  # so each part can be measured by itself
_OTHER_PARTS = ("verdict", "rules", "without-bias", "as-they-come", "by-regime", "by-encoder", "by-quality", "in-full")
PARTS = ("refinement judges", *(f"refinement judges: {part}" for part in _OTHER_PARTS))


def drawn(pools: Iterable[Pool], part: str) -> Iterator[Folder]:
    """The tuning or the reserved folders of real pools."""
    return (folder for pool in pools for folder in folders(pool, SEEDS[part]))


def synthetic(part: str) -> Iterator[Folder]:
    """The tuning or the reserved synthetic folders: one of each regime and pool."""
    for seed in SEEDS[part]:
        for pool in synthetic_pools([seed], SYNTHETIC_POOLS[part]):
            yield from folders(pool, [seed])


def measured(found: Iterable[Folder], part: str, first: int) -> list[dict[str, Any]]:
    """The rows of some folders, numbered from `first`; for reserved ones also what "auto" does."""
    rows = []
    for number, folder in enumerate(found, first):
        own = evidence_rows(folder, number)
        own += [auto_row(folder)] if part == "reserved" else []
        rows += [row | {"part": part, "folder": number} for row in own]
    return rows


def measure(
    encoders: Iterable[tuple[str, Encoder, list[str]]], data_root: Path, cache: Path | None, parts: Iterable[str]
) -> pd.DataFrame:
    """All rows of all folders.

    Args:
        encoders: names, encoders, and the sources that each has never seen.
        data_root: holds the sources; those that are not there are left out.
        cache: folder that keeps embeddings.
        parts: of SEEDS.
    """
    sources = [one for one in SOURCES if (data_root / one / "index.csv").is_file()]
    pools = [
        pool
        for name, encoder, away in encoders
        for pool in real_pools(encoder, name, data_root, sources, [one for one in away if one in sources], cache)
    ]
    rows: list[dict[str, Any]] = []
    for part in parts:
        rows += measured(chain(drawn(pools, part), synthetic(part)), part, FIRST_FOLDER[part])
    return pd.DataFrame(rows)


def _encoder(text: str) -> tuple[str, str | Path, list[str]]:
    """A name, an encoder or its folder, and sources, from NAME=FOLDER:TABLE,TABLE."""
    name, _, rest = text.partition("=")
    folder, _, tables = rest.rpartition(":")
    if not (name and folder and tables):
        raise click.BadParameter(f"expected NAME=FOLDER:TABLE,TABLE, but got {text!r}")
    where = Path(folder) if Path(folder).is_dir() else folder
    return name, where, [Path(table).parts[0] for table in tables.split(",")]


@click.command(help=__doc__)
@data_root_option
@click.option("--home", "known", default=DEFAULT_MODEL, show_default=True, help="An encoder that knows all sources.")
@click.option("--away", multiple=True, metavar="NAME=FOLDER:TABLES", help="One that does not know these; may repeat.")
@click.option(
    "--rows",
    "stored",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Judge these; measure none. May repeat.",
)
@click.option(
    "--part", "parts", multiple=True, default=list(SEEDS), type=click.Choice(list(SEEDS)), help="Measure these only."
)
@click.option(
    "--keep", type=click.Path(dir_okay=False, path_type=Path), help="CSV with one row a candidate and folder."
)
@cache_dir_option
@output_option
@document_option
def main(
    data_root: Path,
    known: str,
    away: tuple[str, ...],
    stored: tuple[str, ...],
    parts: tuple[str, ...],
    keep: Path | None,
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
) -> None:
    """Measure all folders, judge them, and print the tables."""
    if not stored and set(parts) != set(SEEDS) and not keep:
        raise click.UsageError("--part measures some of the folders, which needs --keep FILE.")
    warnings.simplefilter("ignore")
    named: list[tuple[str, str | Path, list[str]]] = [(known, known, []), *map(_encoder, away)]
    if stored:
        rows = pd.concat(map(pd.read_csv, stored), ignore_index=True)
    else:
        encoders = [(name, load_encoder(where), unseen) for name, where, unseen in named]
        rows = measure(encoders, data_root, cache_dir, parts)
    if keep:
        with atomic_file(keep) as draft:
            rows.to_csv(draft, index=False)
    if set(rows["part"]) != set(SEEDS):
        return  # half of the folders are no ground to judge on
    found, alone, asked = outcomes(rows), single_outcomes(rows), rules(rows)
    plain = {name: outcome[outcome["bias"] == 0] for name, outcome in found.items()}
    usual = {name: as_they_come(outcome) for name, outcome in found.items()}
    loose = let_loose_without_bias(rows)
    loose_as_usual = {name: as_they_come(outcome) for name, outcome in loose.items()}
    by_folder = {name: outcome.sort_values("folder") for name, outcome in loose.items()}
    tables = (
        overview(found),
        verdict(found | alone),
        listed(asked),
        in_full(plain),
        in_full(usual),
        grouped(loose_as_usual, "regime"),
        grouped(loose_as_usual, "encoder"),
        grouped(by_folder, "quality"),
        in_full(alone),
    )
    content = {
        "seeds": SEEDS,
        "synthetic pools of a seed": SYNTHETIC_POOLS,
        "encoders": sorted({str(name) for name in rows["encoder"]}),
        "rules": asked,
        "reserved": {name: figures(outcome) for name, outcome in (found | alone).items()},
        "reserved without bias": {name: figures(outcome) for name, outcome in plain.items()},
        "reserved as they come": {name: figures(outcome) for name, outcome in usual.items()},
        "let loose as they come, by regime": figures_by(loose_as_usual, "regime"),
        "let loose as they come, by encoder": figures_by(loose_as_usual, "encoder"),
        "let loose without bias, by quality": figures_by(by_folder, "quality"),
    }
    publish(dict(zip(PARTS, tables, strict=True)), content, output, document)


if __name__ == "__main__":
    main()
