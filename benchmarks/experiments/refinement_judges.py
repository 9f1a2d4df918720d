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
of a page, and between marks of other parts. --keep writes all rows as CSV, and --rows reads them, to judge anew.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from zsderm import load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.experiments.refinement_evidence import EVIDENCE, auto_row, evidence_rows
from zsderm.benchmarks.experiments.refinement_folders import SOURCES, Folder, Pool, folders, real_pools, synthetic_pools
from zsderm.benchmarks.experiments.refinement_rules import (
    Regression,
    Rule,
    best_pair,
    best_regression,
    best_single,
    of_candidates,
)
from zsderm.benchmarks.experiments.refinement_tables import figures, in_full, listed, overview, verdict
from zsderm.benchmarks.options import cache_dir_option, data_root_option, document_option, output_option
from zsderm.benchmarks.pages import publish
from zsderm.config import DEFAULT_MODEL
from zsderm.encoders import Encoder

# Fixed before any reserved folder was looked at.
SEEDS = {"tuning": (0, 1), "reserved": (1000, 1001)}
SYNTHETIC_POOLS = {"tuning": 20, "reserved": 30}  # for each seed
LOSSES = {"bound": False, "no loss": True}  # what a tuning folder may lose: up to its bound, or nothing
PARTS = tuple("refinement judges" + part for part in ("", ": verdict", ": rules", ": without-bias", ": in-full"))
Judge = Rule | Regression
Fit = Callable[[pd.DataFrame], Judge | None]


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


def measure(encoders: Iterable[tuple[str, Encoder, list[str]]], data_root: Path, cache: Path | None) -> pd.DataFrame:
    """All rows of all folders.

    Args:
        encoders: names, encoders, and the sources that each has never seen.
        data_root: holds the sources; those that are not there are left out.
        cache: folder that keeps embeddings.
    """
    sources = [one for one in SOURCES if (data_root / one / "index.csv").is_file()]
    pools = [
        pool
        for name, encoder, away in encoders
        for pool in real_pools(encoder, name, data_root, sources, [one for one in away if one in sources], cache)
    ]
    rows: list[dict[str, Any]] = []
    for part in SEEDS:
        for found in (drawn(pools, part), synthetic(part)):
            rows += measured(found, part, rows[-1]["folder"] + 1 if rows else 0)
    return pd.DataFrame(rows)


def groups(rows: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Reserved rows with the tuning rows for them: of no source and no encoder that these are of."""
    tuning, reserved = (rows[rows["part"] == part] for part in SEEDS)
    for (encoder, source), own in reserved.groupby(["encoder", "source"], sort=False):
        other = (tuning["encoder"] != encoder) & (tuning["source"] != source)
        yield tuning[other | (tuning["kind"] == "synthetic")], own


def judged(rows: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """One row for each reserved folder: what a judge, fitted anew for each group, makes of it."""
    found = []
    for tuning, own in groups(rows):
        rule = fit(tuning)
        of = own[own["candidate"] == (rule.candidate if rule else own["candidate"].iloc[0])]
        found.append(_outcome(of, rule.accepts(of) if rule else np.zeros(len(of), dtype=bool)))
    return pd.concat(found)


def _outcome(rows: pd.DataFrame, accepted: Any) -> pd.DataFrame:
    """Rows of which those that are not accepted gain nothing."""
    kept = {name: np.where(accepted, rows[name], 0.0) for name in ("gain", "balanced gain")}
    return rows.assign(refined=accepted, **kept)


def best_of(fits: Iterable[Fit]) -> Fit:
    """The judge that gains most on the tuning folders."""
    several = list(fits)
    return lambda rows: max((one for fit in several if (one := fit(rows))), key=lambda one: one.gained, default=None)


def each_candidate(fit: Fit) -> Fit:
    """The same judge for the candidate with which it gains most on the tuning folders."""
    return lambda rows: max(
        (one for part in of_candidates(rows) if (one := fit(part))), key=lambda one: one.gained, default=None
    )


def let_loose(rows: pd.DataFrame) -> Rule:
    """The candidate that gains most on real tuning folders, without a judge."""
    totals = rows[rows["kind"] == "real"].groupby("candidate", sort=False)["gain"].sum()
    return Rule(str(totals.idxmax()), (), float(totals.max()))


def singles(nothing: bool) -> dict[str, Fit]:
    """A judge for each evidence alone."""
    return {name: partial(best_single, column=name, nothing=nothing) for name in EVIDENCE}


def families(nothing: bool) -> dict[str, Fit]:
    """The kinds of learned judges; candidate, evidence and thresholds are all chosen on tuning folders."""
    return {
        "one evidence": each_candidate(best_of(singles(nothing).values())),
        "two evidences": each_candidate(partial(best_pair, nothing=nothing)),
        "regression": each_candidate(partial(best_regression, nothing=nothing)),
    }


def fixed_outcomes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What needs no tuning: an oracle, "auto", and today's guard with more candidates."""
    reserved = rows[rows["part"] == "reserved"]
    tried = reserved[reserved["candidate"] != "auto"]
    densest = tried[tried["guard"]].sort_values("density over text", ascending=False).drop_duplicates("folder")
    others = tried[~tried["folder"].isin(densest["folder"])].drop_duplicates("folder")
    guarded = pd.concat([densest, others])
    best = tried.sort_values("gain", ascending=False, kind="stable").drop_duplicates("folder")
    auto = reserved[reserved["candidate"] == "auto"]
    return {
        "oracle: the best candidate of each folder": _outcome(best, best["gain"] > 0),
        "auto as it is": _outcome(auto, auto["guard"]),
        "today's guard, all candidates": _outcome(guarded, guarded["guard"]),
    }


def outcomes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The reserved folders under the best judge of each kind."""
    found = fixed_outcomes(rows) | {"no judge, best candidate": judged(rows[rows["candidate"] != "auto"], let_loose)}
    tried = rows[rows["candidate"] != "auto"]
    for words, nothing in LOSSES.items():
        found |= {f"{name}, {words}": judged(tried, fit) for name, fit in families(nothing).items()}
    return found


def single_outcomes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The reserved folders under each candidate alone, by itself and judged, and under each evidence alone."""
    tried, found = rows[rows["candidate"] != "auto"], {}
    for name, own in tried.groupby("candidate", sort=False):
        reserved = own[own["part"] == "reserved"]
        found[f"{name}: no judge"] = _outcome(reserved, np.ones(len(reserved), dtype=bool))
        found[f"{name}: today's guard"] = _outcome(reserved, reserved["guard"])
        found[f"{name}: two evidences"] = judged(own, best_pair)
    for name, fit in singles(nothing=False).items():
        found[f"{name}: best candidate"] = judged(tried, each_candidate(fit))
    return found


def rules(rows: pd.DataFrame) -> dict[str, str]:
    """What each kind of judge asks for when it is fitted on all tuning folders."""
    tuning = rows[(rows["part"] == "tuning") & (rows["candidate"] != "auto")]
    return {
        f"{name}, {words}": str(fit(tuning) or "nothing is safe and gains")
        for words, nothing in LOSSES.items()
        for name, fit in families(nothing).items()
    }


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
@click.option("--rows", "stored", type=click.Path(exists=True, dir_okay=False), help="Judge these; measure none.")
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
    stored: str | None,
    keep: Path | None,
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
) -> None:
    """Measure all folders, judge them, and print the tables."""
    warnings.simplefilter("ignore")
    named: list[tuple[str, str | Path, list[str]]] = [(known, known, []), *map(_encoder, away)]
    if stored:
        rows = pd.read_csv(stored)
    else:
        rows = measure([(name, load_encoder(where), unseen) for name, where, unseen in named], data_root, cache_dir)
    if keep:
        with atomic_file(keep) as draft:
            rows.to_csv(draft, index=False)
    found, alone, asked = outcomes(rows), single_outcomes(rows), rules(rows)
    plain = {name: outcome[outcome["bias"] == 0] for name, outcome in found.items()}
    tables = (overview(found), verdict(found | alone), listed(asked), in_full(plain), in_full(alone))
    content = {
        "seeds": SEEDS,
        "synthetic pools of a seed": SYNTHETIC_POOLS,
        "encoders": sorted({str(name) for name in rows["encoder"]}),
        "rules": asked,
        "reserved": {name: figures(outcome) for name, outcome in (found | alone).items()},
        "reserved without bias": {name: figures(outcome) for name, outcome in plain.items()},
    }
    publish(dict(zip(PARTS, tables, strict=True)), content, output, document)


if __name__ == "__main__":
    main()
