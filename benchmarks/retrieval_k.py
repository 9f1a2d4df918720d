"""What retrieval adds: accuracy against the number of descriptions kept per class, in both modes, table and plot.

    python -m zsderm.benchmarks.retrieval_k --data-root DATA --output docs/retrieval

writes retrieval.md, retrieval.png and retrieval.json. DATA holds pad/ and ham10000/, each with an index.csv (filename,
label, split). The whole curve is shown because a K picked on the images it is reported on proves nothing; the default
of `Settings`, 10, was fixed before the curve was drawn.
"""

from __future__ import annotations

import json
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
BASELINES = ("class-name", "templates", "descriptions")
COLOURS = {"batch": "#1f6f6b", "image": "#b5562b"}


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
            for method in BASELINES:
                rows.append(
                    {
                        "dataset": dataset,
                        "wording": wording,
                        "method": method,
                        "k": 0,
                        **measure(knowledge, method=method),
                    }
                )
            for retrieval in COLOURS:
                for k in KEPT:
                    figures = measure(knowledge, method="knowledge", retrieval=retrieval, k=k)
                    rows.append({"dataset": dataset, "wording": wording, "method": retrieval, "k": k, **figures})
    table = pd.DataFrame(rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    _plot(table, output.with_suffix(".png"))
    content = {"encoder": encoder.fingerprint, "knowledge": base.checksum, "figures": rows}
    output.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(_markdown(table, base, split, output.name), encoding="utf-8")
    click.echo(f"Written: {output}.md, .png, .json", err=True)


def _plot(table: pd.DataFrame, path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(DATASETS), figsize=(9, 3.6), constrained_layout=True)
    for axis, dataset in zip(axes, DATASETS, strict=True):
        part = table[table["dataset"] == dataset]
        for retrieval, colour in COLOURS.items():
            for wording, style in (("all", "-"), ("unseen", ":")):
                curve = part[(part["method"] == retrieval) & (part["wording"] == wording)]
                name = f"{retrieval}, {'every' if wording == 'all' else 'unseen'} wording"
                axis.plot(curve["k"], curve["balanced_accuracy"], style, color=colour, marker=".", label=name)
        plain = part[(part["method"] == "class-name") & (part["wording"] == "all")]["balanced_accuracy"].item()
        axis.axhline(plain, color="#777777", linewidth=1, linestyle="--", label="class names")
        axis.set(
            title=f"{dataset} dev, n = {int(part['n'].iloc[0])}", xlabel="descriptions kept per class, K", xscale="log"
        )
        axis.set_xticks(KEPT, [str(k) for k in KEPT])
        axis.minorticks_off()
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("balanced accuracy")
    axes[-1].legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _markdown(table: pd.DataFrame, base: KnowledgeBase, split: str, name: str) -> str:
    lines = [
        "# What retrieval adds",
        "",
        f"Written by `python -m zsderm.benchmarks.retrieval_k`: zsderm-mini, knowledge base {base.name} {base.version} "
        f"({base.checksum}), `{split}` splits. Accuracy / balanced accuracy, in per cent. Unseen wording: only the "
        "descriptions that were held out of the encoder's training.",
        "",
        f"![balanced accuracy against K]({name}.png)",
        "",
        "| data set | wording | " + " | ".join(BASELINES) + " | mode | " + " | ".join(f"K = {k}" for k in KEPT) + " |",
        "|---" * (len(BASELINES) + len(KEPT) + 3) + "|",
    ]
    for (dataset, wording), part in table.groupby(["dataset", "wording"], sort=False):
        cells = {(row.method, row.k): _cell(row) for row in part.itertuples()}
        for retrieval in COLOURS:
            words = "every" if wording == "all" else "unseen"
            start = [str(dataset), words, *(cells[method, 0] for method in BASELINES)]
            lines.append("| " + " | ".join([*start, retrieval, *(cells[retrieval, k] for k in KEPT)]) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Any) -> str:
    return f"{100 * row.accuracy:.1f} / {100 * row.balanced_accuracy:.1f}"


if __name__ == "__main__":
    main()
