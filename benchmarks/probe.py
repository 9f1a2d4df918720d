"""Linear probes as benchmark runs: trained on one part of a data set and measured on another.

Like any other run, a probe has one JSON file in the result folder and a Parquet file with its answers beside it, so the
tables show it beside zero-shot methods. With k images of each class it is fitted several times, each time on a new
draw. Its figures are then means over the draws with their standard deviation, and its Parquet file has a row for each
image and draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsderm import Predictions, SettingsError, __version__, load_encoder
from zsderm.atomic_files import refuse_others
from zsderm.benchmarks.grid import encoder_name, stem_of
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.parts import Parts
from zsderm.benchmarks.results import MARK, Result, read_result, write_result
from zsderm.benchmarks.runner import ANSWERS_MARK, images_checksum
from zsderm.benchmarks.side_by_side import compare_models, names_classes
from zsderm.manifest_files import run_facts, versions
from zsderm.metrics import by_group, confusion_matrix, evaluate_repeats, reliability
from zsderm.table_files import write_parquet
from zsderm.tasks.probe import SEED, LinearProbe, ProbeFeatures, draw_shots, fit_probe, probe_features

METHOD = "probe"
REPEATS = 10
WORDS = {"tokens": "tokens", "map": "pooled map", "embedding": "embedding"}  # what the features are of, in tables


@dataclass(frozen=True)
class ProbeRun:
    """One probe of one encoder, by names."""

    model: str
    features: str  # one of zsderm.tasks.probe.FEATURES
    shots: int | None  # images of each class that it learns from; None for all of them
    repeats: int = 1  # how many draws; 1 where all images are used

    def variant(self, of: str) -> str:
        """The method as tables show it, with what the features turned out to be: "probe on tokens, k = 4"."""
        return f"{METHOD} on {WORDS[of]}, {'all' if self.shots is None else f'k = {self.shots}'}"


def probe_grid(
    models: Sequence[str], features: Sequence[str], shots: Sequence[int | None], repeats: int
) -> list[ProbeRun]:
    """Every combination once; all images need no repeats."""
    runs = [
        ProbeRun(model, kind, k, 1 if k is None else repeats) for model in models for kind in features for k in shots
    ]
    return list(dict.fromkeys(runs))


def run_probes(
    parts: Sequence[Parts],
    runs: Sequence[ProbeRun],
    output: Path,
    *,
    cache: Path | None = None,
    batch_size: int = 64,
    device: str | None = None,
    force: bool = False,
    command: str | None = None,
    progress: bool = False,
    tell: Callable[[str], None] = lambda line: None,
    embeddings: str | Path | None = None,
) -> list[Path]:
    """Make the probes that have no result file yet.

    Args:
        parts: of the data sets.
        runs: as `probe_grid` makes them.
        output: folder of the results, that of a benchmark or another.
        cache: folder of image features.
        batch_size: how many images are encoded at once.
        device: a torch device.
        force: repeat finished runs.
        command: the command line, for the manifests.
        progress: show bars while images are encoded.
        tell: called with one line for each run, and with the notes.
        embeddings: see `zsderm.tasks.probe.probe_features`.

    Returns:
        The JSON file of every run, finished earlier or now.

    Raises:
        SettingsError: two runs would have the same file, or the place cannot be written.
        InputError: the training images that can be read are of fewer than two classes; or `embeddings` do not fit.
    """
    files: list[Path] = []
    for model in dict.fromkeys(run.model for run in runs):
        encoder = load_encoder(model, device)
        for part in parts:
            if part.shared_units:
                tell(f"Note on {part.test.title}: {_shared(part)}")
            if unlearned := _unlearned(part):
                tell(f"Note on {part.test.title}: {unlearned}")
            for kind in dict.fromkeys(run.features for run in runs if run.model == model):
                how: dict[str, Any] = {"batch_size": batch_size, "cache": cache, "progress": progress}
                how["embeddings"] = embeddings
                both = [probe_features(encoder, each.images, kind, **how) for each in (part.learn, part.test)]
                for run in (run for run in runs if (run.model, run.features) == (model, kind)):
                    path = output / f"{_stem(run, part.test.title, both[0].of)}.json"
                    if path in files:
                        raise SettingsError(
                            f"two probes on {part.test.title} would be written to {path}; rename a data set or a model "
                            "folder, or run them into two folders"
                        )
                    said = _run(run, part, encoder, both[0], both[1], path, force, command)
                    tell(f"{path.stem}: {said}")
                    files.append(path)
    for part in parts:
        compare_models(part.test, images_checksum(part.test), output)
    return files


def _stem(run: ProbeRun, title: str, of: str) -> str:
    return stem_of(title, encoder_name(run.model), run.variant(of))


def _run(
    run: ProbeRun,
    part: Parts,
    encoder: Any,
    learn: ProbeFeatures,
    test: ProbeFeatures,
    path: Path,
    force: bool,
    command: str | None,
) -> str:
    """Fit, answer, score and write, unless it is done; one line about it."""
    inputs = {
        "images": images_checksum(part.test),
        "train": images_checksum(part.learn),
        "encoder": test.fingerprint,
        "probe": {"features": run.features, "shots": run.shots, "repeats": run.repeats, "seed": SEED},
        "zsderm": __version__,
    }
    answers = path.with_suffix(".parquet")
    done = path.is_file() and answers.is_file() and read_result(path).get("inputs") == inputs
    if done and not force and names_classes(answers, part.test.classes):
        return "there already"
    refuse_others(path, MARK)
    refuse_others(answers, ANSWERS_MARK)
    probes, counts = _fitted(run, part, learn)
    tables = [_answered(probe, test) for probe in probes]
    result = _score(run, part, encoder, learn, test, probes, counts, tables)
    manifest = {**result["manifest"], "run": run_facts(command)}
    frames = [_predictions(part.test, test, table, result).to_frame() for table in tables]
    write_parquet(_rows(frames, part.test), answers, {"classes": list(part.test.classes), "manifest": manifest})
    write_result(path, {**result, "inputs": inputs})
    figures = result["metrics"]
    spread = "" if run.repeats == 1 else f" ± {figures['accuracy_spread']:.3f} over {run.repeats} draws"
    return (
        f"n = {figures['n']}, accuracy {figures['accuracy']:.3f}{spread}, balanced {figures['balanced_accuracy']:.3f}"
    )


def _fitted(run: ProbeRun, part: Parts, learn: ProbeFeatures) -> tuple[list[LinearProbe], list[int]]:
    """The probe of each repeat, and how many images it learned from; draw t is seeded by 42 and t."""
    labels = np.where(learn.ok, part.labels, -1)
    probes, counts = [], []
    for repeat in range(run.repeats):
        if run.shots is None:
            rows = np.flatnonzero(labels >= 0)
        else:
            rows = draw_shots(labels, run.shots, np.random.default_rng([SEED, repeat]), part.learn.units)
        probes.append(fit_probe(learn.rows[rows], labels[rows], len(part.test.classes)))
        counts.append(len(rows))
    return probes, counts


def _answered(probe: LinearProbe, test: ProbeFeatures) -> NDArray[np.float64]:
    table = probe.probabilities(test.rows)
    table[~test.ok] = np.nan
    return table


def _score(
    run: ProbeRun,
    part: Parts,
    encoder: Any,
    learn: ProbeFeatures,
    test: ProbeFeatures,
    probes: Sequence[LinearProbe],
    counts: Sequence[int],
    tables: Sequence[NDArray[np.float64]],
) -> Result:
    """Everything that is reported of one probe, as `zsderm.benchmarks.runner.score` of a zero-shot run."""
    data, variant = part.test, run.variant(test.of)
    known, stacked = test.ok, np.concatenate([table[test.ok] for table in tables])
    true, answer = np.tile(data.labels[known], len(tables)), stacked.argmax(axis=1)
    bins = reliability(stacked.max(axis=1), answer == true)
    settings = {"features": run.features, "of": test.of, "shots": run.shots, "repeats": run.repeats, "seed": SEED}
    return {
        "kind": "run",
        "config": {
            "dataset": data.name,
            "split": data.split,
            "title": data.title,
            "stem": _stem(run, data.title, test.of),
            "variant": variant,
            "encoder": encoder_name(run.model),
            **asdict(run),
            "method": METHOD,
            "of": test.of,
            **{"prior": "", "k": None, "retrieval": "", "knowledge": "", "wording": "all", "names": ""},
            "views": test.views,
        },
        "data": {
            **data.facts(),
            "train": {
                "split": part.learn.split,
                "n": int(learn.ok.sum()),
                "listed": part.learn.listed,
                "images_of_class": np.bincount(part.labels[learn.ok], minlength=len(data.classes)).tolist(),
                "learned_from": list(counts),
                "shared_units": part.shared_units,
            },
        },
        "used": {"method": METHOD, "prior": ""},
        "metrics": evaluate_repeats(data.labels, tables, clusters=data.units).to_dict(),
        "confusion": confusion_matrix(true, answer, len(data.classes)).tolist(),
        "reliability": {name: getattr(bins, name).tolist() for name in ("count", "confidence", "accuracy")},
        "groups": {
            title: by_group(data.labels, tables[0], names, clusters=data.units).to_dict()
            for title, names in data.groups.items()
            if len(tables) == 1
        },
        "probe": [{"strength": probe.strength, "folds": probe.folds, "converged": probe.converged} for probe in probes],
        "manifest": {
            "encoder": {"name": encoder.card.name, "fingerprint": encoder.fingerprint},
            "settings": settings,
            "versions": versions(),
            "notes": list(_notes(part, probes, learn, test)),
        },
    }


def _notes(part: Parts, probes: Sequence[LinearProbe], learn: ProbeFeatures, test: ProbeFeatures) -> list[str]:
    said = {
        _shared(part): part.shared_units,
        _unlearned(part): _unlearned(part),
        f"{(~learn.ok).sum()} training and {(~test.ok).sum()} test images could not be read": (~learn.ok).any()
        or (~test.ok).any(),
        "the regression did not converge within 1 000 iterations": not all(probe.converged for probe in probes),
        "with one image of each class there are no folds, so C is 1": not all(probe.folds for probe in probes),
    }
    return [note for note, holds in said.items() if holds]


def _shared(part: Parts) -> str:
    unit = (part.test.unit or "image").removesuffix("_id")
    one = part.shared_units == 1
    shared = f"{part.shared_units} {unit}{'' if one else 's'} of the test part {'is' if one else 'are'}"
    return f"{shared} also in the training part, so the figures are too high"


def _unlearned(part: Parts) -> str:
    """Which classes of the test images have no training image; empty where there are none."""
    learned = {part.learn.classes[label] for label in part.learn.labels}
    missing = sorted({part.test.classes[label] for label in part.test.labels} - learned)
    names = ", ".join(missing)
    return f"there is no training image of {names}, so every answer to one of these is wrong" if names else ""


def _predictions(
    data: LabelledImages, features: ProbeFeatures, table: NDArray[np.float64], result: Result
) -> Predictions:
    import torch

    return Predictions(
        images=data.images,
        classes=data.classes,
        probabilities=torch.from_numpy(table.astype(np.float32)),
        method=METHOD,
        prior="",
        requested_method=METHOD,
        evidence=((),) * len(data),
        errors={data.images[place]: reason for place, reason in features.errors.items()},
        manifest=result["manifest"],
    )


def _rows(frames: Sequence[Any], data: LabelledImages) -> Any:
    """One table of all repeats, with the true classes and the unit; the repeat is a column where there are several."""
    import pandas as pd

    for frame in frames:
        frame["true_label"] = [data.classes[label] for label in data.labels]
        if data.units is not None:
            frame[data.unit] = data.units
    if len(frames) == 1:
        return frames[0]
    return pd.concat([frame.assign(repeat=number) for number, frame in enumerate(frames)], ignore_index=True)
