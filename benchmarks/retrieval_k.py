"""What retrieval adds: accuracy against the number of descriptions kept per class, in both modes, table and plot.

    python -m zsderm.benchmarks.retrieval_k --data-root DATA --output docs/retrieval

writes retrieval.md, retrieval.png and retrieval.json. DATA holds pad/ and ham10000/, each with an index.csv (filename,
label, split). Text proxies are measured twice: of descriptions alone, as KPL is published (`name_weight` 0), and with
the class name blended in, as `Settings` does by default. The default K is read off these curves, so it is set on dev.
The whole curve is shown, because a K picked on the images it is reported on proves nothing about others.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import click
import matplotlib
import pandas as pd

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.metrics import evaluate
from zsderm.pretrain import held_out

DATASETS = ("pad", "ham10000")
KEPT = (1, 2, 3, 5, 8, 10, 15, 20, 30)
WORDINGS = {"all": "every", "unseen": "unseen"}
BASELINES = ("class-name", "templates", "descriptions")
COLOURS = {"batch": "#1f6f6b", "image": "#b5562b"}
DEFAULT = {"k": 10, "name_weight": 0.5}  # of the library; a test holds the two together
STYLES = {0.0: ":", DEFAULT["name_weight"]: "-"}  # share of the class name in a proxy -> line


@click.command(help=__doc__)
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), envvar="ZSDERM_DATA", required=True)
@click.option("--model", default="zsderm-mini", show_default=True)
@click.option("--split", default="dev", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Path without a suffix.")
@click.option("--cache-dir", type=click.Path(file_okay=False, path_type=Path), help="Keeps image embeddings.")
def main(data_root: Path, model: str, split: str, output: Path, cache_dir: Path | None) -> None:
    """Measure, then write the table, the plot and the figures."""
    encoder = load_encoder(model)
    base = KnowledgeBase.load("dermatology")
    wordings = {"all": base, "unseen": base.subset(lambda d: held_out(d.text))}
    rows: list[dict[str, object]] = []
    for dataset in DATASETS:
        images = load(dataset, data_root, split)

        def measure(knowledge: KnowledgeBase, images: LabelledImages = images, **how: Any) -> dict:
            subject = ZeroShotClassifier.from_pretrained(
                encoder, classes=images.classes, knowledge=knowledge, cache=cache_dir, **how
            )
            predictions = subject.predict(list(images.images))
            return evaluate(images.labels, predictions.probabilities.numpy()).to_dict()

        for wording, knowledge in wordings.items():
            same = {"dataset": dataset, "wording": wording}
            for method in BASELINES:
                rows.append({**same, "method": method, "name_weight": 0.0, "k": 0, **measure(knowledge, method=method)})
            for retrieval, weight, k in product(COLOURS, STYLES, KEPT):
                figures = measure(knowledge, method="knowledge", retrieval=retrieval, k=k, name_weight=weight)
                rows.append({**same, "method": retrieval, "name_weight": weight, "k": k, **figures})
            click.echo(f"{dataset}, {wording} wording: done", err=True)
    table = pd.DataFrame(rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    _plot(table, output.with_suffix(".png"))
    content = {"encoder": encoder.fingerprint, "knowledge": base.checksum, "figures": rows}
    output.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(_markdown(table, base, split, output.name), encoding="utf-8")
    click.echo(f"Written: {output}.md, .png, .json", err=True)


def _plot(table: pd.DataFrame, path: Path) -> None:
    """One panel per data set and wording; colour is the mode, line the share of the name."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, len(DATASETS), figsize=(9, 6.4), constrained_layout=True, sharex=True, sharey="col")
    for (row, wording), (column, dataset) in product(enumerate(WORDINGS), enumerate(DATASETS)):
        axis = axes[row][column]
        part = table[(table["dataset"] == dataset) & (table["wording"] == wording)]
        for (retrieval, colour), (weight, style) in product(COLOURS.items(), STYLES.items()):
            curve = part[(part["method"] == retrieval) & (part["name_weight"] == weight)]
            name = f"{retrieval}, name weight {weight:g}"
            axis.plot(curve["k"], curve["balanced_accuracy"], style, color=colour, marker=".", label=name)
        for method, line in (("class-name", "--"), ("descriptions", "-.")):
            level = part[part["method"] == method]["balanced_accuracy"].item()
            axis.axhline(level, color="#777777", linewidth=1, linestyle=line, label=method)
        axis.set_xscale("log")
        axis.set(title=f"{dataset} dev, n = {int(part['n'].iloc[0])}, {WORDINGS[wording]} wording")
        axis.set_xticks(KEPT, [str(k) for k in KEPT])
        axis.minorticks_off()
        axis.grid(alpha=0.25)
    for axis in axes[-1]:
        axis.set_xlabel("descriptions kept per class, K")
    for axis in axes[:, 0]:
        axis.set_ylabel("balanced accuracy")
    axes[-1][-1].legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _markdown(table: pd.DataFrame, base: KnowledgeBase, split: str, name: str) -> str:
    lines = [
        "# What retrieval adds",
        "",
        f"Written by `python -m zsderm.benchmarks.retrieval_k`: zsderm-mini, knowledge base {base.name} {base.version} "
        f"({base.checksum}), `{split}` splits. Accuracy / balanced accuracy, in per cent. Name weight: share of the "
        f"class name in a text proxy; 0 is KPL as published, {DEFAULT['name_weight']:g} the default. Unseen wording: "
        "only the descriptions that were held out of the encoder's training. "
        f"The default, K = {DEFAULT['k']}, was set on these very images.",
        "",
        f"![balanced accuracy against K]({name}.png)",
    ]
    for (dataset, wording), part in table.groupby(["dataset", "wording"], sort=False):
        plain = {row.method: _cell(row) for row in part.itertuples() if row.method in BASELINES}
        lines += ["", f"## {dataset} {split}, n = {int(part['n'].iloc[0])}, {WORDINGS[wording]} wording", ""]
        lines += ["; ".join(f"{method} {cell}" for method, cell in plain.items()) + ".", ""]
        lines += [
            "| mode | name weight | " + " | ".join(f"K = {k}" for k in KEPT) + " |",
            "|---" * (len(KEPT) + 2) + "|",
        ]
        for retrieval, weight in product(COLOURS, STYLES):
            curve = part[(part["method"] == retrieval) & (part["name_weight"] == weight)]
            cells = {row.k: _cell(row) for row in curve.itertuples()}
            lines.append("| " + " | ".join([retrieval, f"{weight:g}", *(cells[k] for k in KEPT)]) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Any) -> str:
    return f"{100 * row.accuracy:.1f} / {100 * row.balanced_accuracy:.1f}"


if __name__ == "__main__":
    main()
