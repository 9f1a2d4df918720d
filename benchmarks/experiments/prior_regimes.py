"""What a class prior changes against plain text proxies, on synthetic folders and on real features where given.

    python -m zsderm.benchmarks.experiments.prior_regimes --output synthetic.csv
    python -m zsderm.benchmarks.experiments.prior_regimes --features FEATURES.npz --output real.csv
    python -m zsderm.benchmarks.experiments.prior_regimes --rows synthetic.csv --rows real.csv \\
        --document docs/priors.md --picture docs/priors.png

Prints Markdown. With --document also puts an overview, the sources, and the regimes of all real sources together into a
page: between the lines "<!-- prior tables -->" and "<!-- end of prior tables -->" and marks of the same kind.
Figures are points of accuracy against argmax of image @ text proxy, on the same images. FEATURES.npz, which
`prior_features` writes, holds image_features (N, D), labels (N,) as indices, text_proxies (C, D), and home_mean (D,),
what prior "home" takes off, where that is known; natural, partial, balanced, skewed and single-class folders are drawn
from it, with the text proxies as they are and with a class bias added. With --rows and --features the columns that the
rows lack are measured and added.

The name of a file stands for its source; it ends in "-away" where the encoder never saw the source. The constants of
the guard were set on seeds 0 to 6 and 20 and 21: report other seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from zsderm.benchmarks.experiments.prior_worlds import World, real_worlds, synthetic_worlds
from zsderm.benchmarks.pages import splice
from zsderm.config import HOME_PRIOR
from zsderm.errors import InputError
from zsderm.proxies import refine, resolve_prior
from zsderm.proxies.guard import component_count, distinct_images
from zsderm.proxies.mixture import principal_components
from zsderm.proxies.prior import estimate_prior
from zsderm.proxies.refinement import ANCHORS
from zsderm.proxies.transport import LABEL_TEMPERATURE

# "home" is known for some encoders alone; the last two use the true labels.
PRIORS = ("uniform", "mean^0.8", "learned", "auto", HOME_PRIOR, "true mix", "sqrt true")
DRAWN = PRIORS[:5]  # in the picture
COLOURS = {"balanced": "#1f6f6b", "skewed": "#c9a227", "one class": "#b5562b"}
SHOWN = ("uniform", "learned", "auto", HOME_PRIOR, "true mix")  # in the short overview
AWAY = "-away"  # how the name of a file ends whose source the encoder never saw
ENOUGH_IMAGES = 100  # of a balanced folder, to ask how much of the gain of the uniform mix is kept
MANY_IMAGES = 300


def prior_of(world: World, name: str) -> str | torch.Tensor:
    """A prior of PRIORS as `refine` takes it; "learned" is the firmest estimate of "auto" without its guard."""
    logits = torch.from_numpy(world.image_features @ world.text_proxies.T).double() / LABEL_TEMPERATURE
    text_labels = torch.softmax(logits, dim=1)  # (N, C)
    if name == "mean^0.8":
        return resolve_prior("auto", text_labels) ** 0.8
    if name == "learned":
        features = torch.from_numpy(world.image_features)
        distinct = distinct_images(features)
        count = component_count(len(distinct), features.shape[1], logits.shape[1])
        components = principal_components(features, count, distinct)
        return estimate_prior(components, text_labels, anchor=max(ANCHORS), learned_from=distinct)
    if name in ("true mix", "sqrt true"):
        counts = torch.bincount(torch.from_numpy(world.labels), minlength=len(world.text_proxies)).double()
        return counts if name == "true mix" else counts.sqrt()
    return name


def figures_of(world: World, priors: Sequence[str] = PRIORS) -> dict[str, object]:
    """Accuracy of the text proxies in per cent, and how many points every prior adds, also balanced; NaN if unknown."""
    before = np.array(_accuracies(world.text_labels(), world.labels))
    row: dict[str, object] = {"mix": world.mix, "classes": len(world.text_proxies), "images": len(world.labels)}
    row |= {"text": before[0], "text balanced": before[1]}
    for name in priors:
        if name == HOME_PRIOR:
            change = np.array(_by_home(world)) - before
            row |= {name: change[0], f"{name} balanced": change[1]}
            continue
        refined = refine(world.image_features, world.text_proxies, prior_of(world, name))
        change = np.array(_accuracies(refined.scores.argmax(dim=1).numpy(), world.labels)) - before
        row |= {name: change[0], f"{name} balanced": change[1]}
        if name == "auto":
            row |= {"refined": refined.accepted, "reason": refined.reason}
    return row


def _by_home(world: World) -> tuple[float, float]:
    """Accuracies with prior "home"; NaN where the mean of the encoder's training images is not known."""
    if world.home is None:
        return np.nan, np.nan
    return _accuracies(((world.image_features - world.home) @ world.text_proxies.T).argmax(axis=1), world.labels)


def filled(rows: pd.DataFrame, worlds: Iterable[World]) -> pd.DataFrame:
    """Rows with the priors that they lack, measured on the same worlds.

    Args:
        rows: of earlier measurements.
        worlds: one for each row, in their order.

    Raises:
        InputError: the worlds are not those of the rows.
    """
    lacking = [name for name in PRIORS if name not in rows or rows[name].isna().all()]
    found = []
    for row, world in zip(rows.to_dict("records"), worlds, strict=True):
        if (row["mix"], row["images"]) != (world.mix, len(world.labels)):
            raise InputError(f"the rows are of other folders: {row['mix']}, {row['images']} images; name their seeds")
        found.append({**row, **figures_of(world, lacking), "source": row["source"]})
    return pd.DataFrame(found)


def _of(kinds: tuple[str, ...], worlds: Iterable[World]) -> Iterator[World]:
    """Those of some mixes; all of them where none is named."""
    return (world for world in worlds if not kinds or world.mix.startswith(kinds))


def _accuracies(named: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    right = named == labels
    return 100 * float(right.mean()), 100 * float(np.mean([right[labels == c].mean() for c in np.unique(labels)]))


def measure(worlds: Iterable[World]) -> pd.DataFrame:
    """One row per world: `figures_of`."""
    return pd.DataFrame([figures_of(world) for world in worlds])


def overview(tables: dict[str, pd.DataFrame], priors: Sequence[str] = PRIORS) -> str:
    """Every source in one line a prior: what it does on average, at worst, and how often it hurts."""
    lines = [
        "| source | folders | prior | accuracy: mean | worst | mean of the worst tenth | folders that lose more than 1 "
        "point | balanced accuracy: mean | kept of uniform's gain where balanced |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for source, figures in tables.items():
        for name in priors:
            if name not in figures or figures[name].isna().all():
                continue
            change = figures[name].dropna()
            worst = change.nsmallest(max(1, len(change) // 10)).mean()
            lines.append(
                f"| {source} | {len(change)} | {name} | {change.mean():+.1f} | {change.min():+.1f} | {worst:+.1f} "
                f"| {(change < -1 - 1e-9).sum()} | {figures[f'{name} balanced'].mean():+.1f} | {_kept(figures, name)} |"
            )
    return "\n".join(lines)


def regimes(figures: pd.DataFrame) -> str:
    """What every prior did per mix and number of classes: mean and worst change of accuracy."""
    lines = [
        "| mix | classes | folders | text accuracy |" + "".join(f" {name} |" for name in PRIORS) + " auto refined |",
        "|---|---|---|---|" + "---|" * len(PRIORS) + "---|",
    ]
    for (mix, classes), part in figures.groupby(["mix", "classes"], sort=False):
        changes = " | ".join(_mean_and_worst(part, name) for name in PRIORS)
        text, refined = part["text"].mean(), part["refined"].mean()
        lines.append(f"| {mix} | {classes} | {len(part)} | {text:.1f} | {changes} | {refined:.0%} |")
    return "\n".join(lines)


def home_overview(tables: dict[str, pd.DataFrame]) -> str:
    """What "home" changes where it is known: by kind of source, with and without an added bias."""
    lines = [
        "| source | text proxies | folders | accuracy / balanced: mean | worst | lose more than one point |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for kind, figures in _kinds(tables).items():
        if HOME_PRIOR not in figures:
            continue
        known = figures[figures[HOME_PRIOR].notna()]
        plain = known["mix"].str.endswith("bias 0.0")
        for words, part in (("as they come", known[plain]), ("with a bias added", known[~plain])):
            if len(part):
                change, balanced = part[HOME_PRIOR], part[f"{HOME_PRIOR} balanced"]
                lines.append(
                    f"| {kind.removeprefix('real, ')} | {words} | {len(part)} | {change.mean():+.1f} / "
                    f"{balanced.mean():+.1f} | {change.min():+.1f} | {(change < -1 - 1e-9).sum()} |"
                )
    return "\n".join(lines)


def _mean_and_worst(part: pd.DataFrame, name: str) -> str:
    known = name in part and part[name].notna().any()
    return f"{part[name].mean():+.1f}, {part[name].min():+.1f}" if known else "not known"


def _kept(figures: pd.DataFrame, name: str, least: int = ENOUGH_IMAGES) -> str:
    """Share of uniform's gain, summed over the balanced folders that are large enough and where it gains at all."""
    balanced = figures["mix"].str.startswith("balanced") & (figures["images"] >= least)
    gains = figures[balanced & (figures["uniform"] > 0)]
    return f"{gains[name].sum() / gains['uniform'].sum():.0%}" if len(gains) else "no gain"


def sentences(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """What the prose of the page quotes, by the name of its place.

    Args:
        tables: figures by source; "synthetic" is one of them, all others are real features.
    """
    found = {"bounds": " ".join(_bounds(name, part) for name, part in _kinds(tables).items())}
    unbiased = [
        part[part["mix"].str.endswith("bias 0.0")] for name, part in tables.items() if _kind(name).endswith("knows")
    ]
    if unbiased:
        figures = pd.concat(unbiased)
        alone = figures[figures["mix"].str.startswith("one class")]
        natural = ", ".join(
            f"{part.loc[part['mix'] == 'natural, bias 0.0', 'uniform'].mean():+.1f} on {name}"
            for name, part in tables.items()
            if _kind(name).endswith("knows") and (part["mix"] == "natural, bias 0.0").any()
        )
        found["headline"] = (
            f"on natural mixes it changes accuracy by {natural} (points), and over {len(figures)} folders of real "
            f"features by {figures['uniform'].mean():+.1f} on average and {figures['uniform'].min():+.1f} at worst."
        )
        found["learned"] = f"{-alone['learned'].min():.1f}" if len(alone) else "no"
    return found


def _kinds(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The synthetic folders and the real ones, as far as there are any."""
    kinds: dict[str, list[pd.DataFrame]] = {}
    for name, part in tables.items():
        kinds.setdefault(_kind(name), []).append(part)
    return {kind: pd.concat(parts) for kind, parts in kinds.items()}


def _kind(source: str) -> str:
    if source == "synthetic":
        return source
    return f"real, of a source that the encoder {'never saw' if source.endswith(AWAY) else 'knows'}"


def _bounds(kind: str, figures: pd.DataFrame) -> str:
    worst, lost = figures["auto"].min(), (figures["auto"] < -1 - 1e-9).sum()
    shares = [f"{_kept(figures, 'auto', least)} from {least} images on" for least in (ENOUGH_IMAGES, MANY_IMAGES)]
    return (
        f"{kind.capitalize()}: on {len(figures)} folders auto changes accuracy by {worst:+.1f} points at worst and "
        f"{lost} of them lose more than one; of uniform's gain in balanced folders it keeps {' and '.join(shares)}."
    )


def picture(figures: pd.DataFrame) -> Figure:
    """One dot a folder: what each prior changes, in points of accuracy."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(figures))
    kind = figures["mix"].str.extract(r"^(balanced|one class)")[0].fillna("skewed").to_numpy()
    for name, colour in COLOURS.items():
        of_kind = kind == name
        for place, prior in enumerate(DRAWN):
            changes = figures[prior].to_numpy()[of_kind]
            label = name if place == 0 else None
            axes.scatter(place + jitter[of_kind], changes, s=9, color=colour, alpha=0.6, lw=0, label=label)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xticks(range(len(DRAWN)), DRAWN)
    axes.set_ylabel("points of accuracy gained over the text proxies")
    axes.set_title("One dot is one folder of images", loc="left", fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(title="class mix of the folder", loc="lower right")
    return figure


@click.command(help=__doc__)
@click.option("--seeds", default=2, show_default=True, help="Random settings per regime; draws per real mix.")
@click.option("--first-seed", default=40, show_default=True)
@click.option("--largest", default=5000, show_default=True, help="Leave out synthetic folders with more images.")
@click.option("--smallest", default=1, show_default=True, help="Leave out synthetic folders with fewer images.")
@click.option("--features", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mix", "kinds", multiple=True, help="Only folders whose mix begins so, such as balanced; may repeat.")
@click.option(
    "--rows", multiple=True, type=click.Path(exists=True, dir_okay=False), help="Show these; measure what they lack."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="CSV with one row per folder.")
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Page for the tables.")
@click.option("--picture", "drawing", type=click.Path(dir_okay=False, path_type=Path), help="PNG, one dot a folder.")
def main(
    seeds: int,
    first_seed: int,
    largest: int,
    smallest: int,
    files: tuple[Path, ...],
    kinds: tuple[str, ...],
    rows: tuple[str, ...],
    output: Path | None,
    document: Path | None,
    drawing: Path | None,
) -> None:
    """Print an overview, then a table per source: the synthetic regimes, or the files of real features."""
    warnings.simplefilter("ignore")
    draws = range(first_seed, first_seed + seeds)
    if rows:
        measured = pd.concat([pd.read_csv(file) for file in rows])
        parts_of = {str(source): part for source, part in measured.groupby("source", sort=False)}
        for file in files:
            parts_of[file.stem] = filled(parts_of[file.stem], _of(kinds, real_worlds(file, draws)))
        measured = pd.concat(parts_of.values())
    elif files:
        measured = pd.concat([measure(_of(kinds, real_worlds(file, draws))).assign(source=file.stem) for file in files])
    else:
        measured = measure(_of(kinds, synthetic_worlds(draws, largest, smallest))).assign(source="synthetic")
    if drawing:
        picture(measured).savefig(drawing, dpi=110, metadata={"Software": None})
    if output:
        measured.to_csv(output, index=False)
    tables = {str(source): figures for source, figures in measured.groupby("source", sort=False)}
    parts = [f"### {source}\n\n{regimes(figures)}" for source, figures in tables.items()]
    click.echo("\n\n".join([overview(tables), *parts]))
    if document:
        pooled = {name: figures.assign(classes="any") for name, figures in _kinds(tables).items()}
        whole = "\n\n".join([overview(tables), *(f"### {name}\n\n{regimes(part)}" for name, part in pooled.items())])
        framed = {"prior overview": overview(_kinds(tables), SHOWN), "prior tables": whole}
        framed["prior home"] = home_overview(tables)
        places = {name: f"\n\n{text}\n\n" for name, text in framed.items()}
        splice(document, {**places, **sentences(tables)}, required="prior tables")


if __name__ == "__main__":
    main()
