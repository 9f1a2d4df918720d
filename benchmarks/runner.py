"""Run a grid: one JSON file a run, with the per-image answers in Parquet beside it.

Images are embedded once for each model and data set, because all runs share a folder of features. A run whose files are
there and whose inputs are the same (encoder, descriptions, settings, images) is not repeated. When a data set is done,
every run of a model is compared, image by image, with the first one, which should be the plainest; and at the end every
two models, also those of earlier runs into the same folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePath
from typing import Any

from zsderm import KnowledgeBase, Predictions, Settings, SettingsError, ZeroShotClassifier, __version__, load_encoder
from zsderm.asking.classes import METHOD as GENERATIVE
from zsderm.atomic_files import refuse_others
from zsderm.benchmarks import generative
from zsderm.benchmarks.grid import Run
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.results import MARK, Result, read_result, write_result
from zsderm.benchmarks.side_by_side import compare_methods, compare_models, names_classes
from zsderm.manifest_files import run_facts
from zsderm.metrics import by_group, confusion_matrix, evaluate, reliability
from zsderm.modalities import PATHOLOGICAL, modality_of
from zsderm.supervised import SupervisedClassifier, is_supervised
from zsderm.table_files import write_parquet

ANSWERS_MARK = re.compile(rb"true_label")  # in the last bytes of a Parquet file
Priors = Mapping[str, Mapping[str, float]]
Classifier = ZeroShotClassifier | SupervisedClassifier


def run_grid(
    datasets: Sequence[LabelledImages],
    runs: Sequence[Run],
    output: Path,
    *,
    priors: Priors | None = None,
    cache: Path | None = None,
    device: str | None = None,
    force: bool = False,
    command: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
    worded: generative.Models | None = None,
    seed: int = 0,
    progress: bool = False,
    embeddings: str | Path | None = None,
) -> list[Path]:
    """Make the runs that have no result file yet, then compare the methods.

    Args:
        datasets: images with labels.
        runs: cells of the grid, as `zsderm.benchmarks.grid.grid` makes them.
        output: folder of the results.
        priors: weights of the classes for names of priors in ``runs`` that are no word.
        cache: folder of image features, shared by all runs; None computes them for each run.
        device: a torch device.
        force: repeat finished runs.
        command: the command line, for the manifests of the answers.
        tell: called with one line for each run, and with one for each note on the answers of a model to a data set.
        worded: the models that answer in words, by the name that runs have for each.
        seed: of the order in which these are told the classes.
        progress: show a bar on stderr while these answer.
        embeddings: what ``zsderm embed`` wrote of these images, to be used in place of encoding them: a .npy or
            .parquet file, or the folder of a data set. It is for runs of its encoder and number of views only.

    Returns:
        The JSON file of every run, finished earlier or now.

    Raises:
        SettingsError: two runs would have the same file, or the place cannot be written.
        InputError: `embeddings` of another encoder or number of views, or that lack some of the images.
    """
    files: list[Path] = []
    for model in dict.fromkeys(run.model for run in runs):
        encoder = (worded or {}).get(model) or _loaded(model, device)
        for dataset in datasets:
            chosen = [_by_card(run, encoder) for run in runs if run.model == model]
            own = {path_of(run, dataset, output): run for run in chosen}
            if len(own) < len(chosen) or set(own) & set(files):
                raise SettingsError(
                    f"two runs on {dataset.title} would be written to the same file in {output}; "
                    "rename a data set, a prior file or a model folder, or run them into two folders"
                )
            noted: set[str] = set()
            for path, run in own.items():
                if run.method == GENERATIVE:
                    asked = generative.classifier_of(run, encoder, dataset.classes, output, seed)
                    tell(f"{path.stem}: {_run_in_words(run, dataset, asked, path, force, command, progress)}")
                    continue
                classifier = classifier_of(run, encoder, dataset.classes, priors or {}, cache, _modality(dataset))
                _tell_notes(filter(None, [classifier.shown_note]), dataset.title, noted, tell)  # before the work
                tell(f"{path.stem}: {_run(run, dataset, classifier, path, force, command, embeddings)}")
                _tell_notes(read_result(path)["manifest"]["notes"], dataset.title, noted, tell)
            compare_methods(own, dataset, output)
            files += list(own)
    for dataset in datasets:
        compare_models(dataset, images_checksum(dataset), output)
    return files


def _tell_notes(notes: Iterable[str], title: str, noted: set[str], tell: Callable[[str], None]) -> None:
    """A line for each note that was not told of this data set before."""
    for note in notes:
        if note not in noted:
            noted.add(note)
            tell(f"Note on {title}: {note}")


def _loaded(model: str, device: str | None) -> Any:
    """The encoder that a name stands for, or the supervised classifier."""
    return SupervisedClassifier.load(model, device=device) if is_supervised(model) else load_encoder(model, device)


def _by_card(run: Run, encoder: Any) -> Run:
    """The run without a number of views that is its encoder's default: files are named by what sets a run apart."""
    if run.method == GENERATIVE:
        return run
    return replace(run, views=None) if run.views == encoder.card.views else run


def path_of(run: Run, dataset: LabelledImages, output: Path) -> Path:
    """The JSON file of a run."""
    return output / f"{run.stem(dataset.title)}.json"


def classifier_of(
    run: Run,
    encoder: Any,
    classes: Sequence[str],
    priors: Priors,
    cache: Path | None,
    modality: str = Settings.modality,
) -> Classifier:
    """The classifier that a run names, for images of one modality.

    Args:
        run: names it.
        encoder: of the run's model, or the supervised classifier that the model is.
        classes: C names.
        priors: see `run_grid`.
        cache: see `run_grid`.
        modality: of the images, or "auto"; a supervised classifier is not told.

    Raises:
        UnknownClassError: a supervised classifier was not trained on one of the classes.
    """
    if isinstance(encoder, SupervisedClassifier):
        return replace(encoder.for_classes(classes), views=run.views or encoder.views, cache=cache)
    base = KnowledgeBase.load(run.knowledge)  # methods without descriptions take the names of the classes from it
    if run.wording == "unseen":
        from zsderm.pretrain import held_out

        base = base.subset(lambda description: held_out(description.text))
    return ZeroShotClassifier.from_pretrained(
        encoder,
        classes=classes,
        knowledge=base,
        method=run.method,
        prior=priors.get(run.prior, run.prior) or "auto",
        retrieval=run.retrieval,
        k=run.k,
        views=run.views,
        names=run.names,
        cache=cache,
        modality=modality,
    )


def _modality(dataset: LabelledImages) -> str:
    """What the classifier is told of the images: only of tissue sections, for of others it asks the encoder."""
    return PATHOLOGICAL if modality_of(dataset.modality) == PATHOLOGICAL else Settings.modality


def inputs_of(dataset: LabelledImages, classifier: Classifier) -> dict[str, Any]:
    """Everything that the answers depend on: a run with the same inputs is not repeated.

    Where the images lie does not matter, and a change of code within one version is not seen: that wants ``force``.
    """
    if isinstance(classifier, SupervisedClassifier):
        return {
            "images": images_checksum(dataset),
            "encoder": classifier.fingerprint,
            "settings": {"views": classifier.views},
            "zsderm": __version__,
        }
    prior, base = classifier.prior, classifier.knowledge
    return {
        "images": images_checksum(dataset),
        "encoder": classifier.encoder.fingerprint,
        "knowledge": base and base.checksum,
        "prior": prior if isinstance(prior, str) else [round(share, 6) for share in prior.tolist()],
        # Nothing is smoothed here, and results of before there was smoothing are of the same settings.
        "settings": {name: value for name, value in asdict(classifier.settings).items() if name != "smooth"},
        "zsderm": __version__,
    }


def images_checksum(dataset: LabelledImages) -> str:
    """16 hex digits over the classes, and the file name and class of each image, in their order."""
    rows = zip(dataset.images, dataset.labels.tolist(), strict=True)
    lines = [*dataset.classes, *(f"{PurePath(path).name}\t{label}" for path, label in rows)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _run(
    run: Run,
    dataset: LabelledImages,
    classifier: Classifier,
    path: Path,
    force: bool,
    command: str | None,
    embeddings: str | Path | None,
) -> str:
    """Predict, score and write, unless it is done; one line about it."""
    inputs = inputs_of(dataset, classifier)
    answers = path.with_suffix(".parquet")
    done = path.is_file() and answers.is_file() and read_result(path).get("inputs") == inputs
    if done and not force and names_classes(answers, dataset.classes):
        return "there already"
    refuse_others(path, MARK)
    refuse_others(answers, ANSWERS_MARK)
    if isinstance(classifier, SupervisedClassifier) or embeddings is None:
        predictions = classifier.predict(list(dataset.images))
    else:
        predictions = classifier.predict_stored(embeddings, list(dataset.images))
    rows = predictions.to_frame().assign(true_label=[dataset.classes[label] for label in dataset.labels])
    if dataset.units is not None:
        rows[dataset.unit] = dataset.units
    manifest = {**predictions.manifest, "run": run_facts(command)}  # not in the result: equal inputs give equal files
    write_parquet(rows, answers, {**predictions.facts, "manifest": manifest})
    result = score(run, dataset, predictions)
    write_result(path, {**result, "inputs": inputs})
    figures = result["metrics"]
    return f"n = {figures['n']}, accuracy {figures['accuracy']:.3f}, balanced {figures['balanced_accuracy']:.3f}"


def _run_in_words(
    run: Run,
    dataset: LabelledImages,
    classifier: generative.GenerativeClassifier,
    path: Path,
    force: bool,
    command: str | None,
    progress: bool,
) -> str:
    """Ask, score and write, unless it is done; one line about it. What was said before is not asked again."""
    inputs = generative.inputs_of(images_checksum(dataset), classifier)
    answers = path.with_suffix(".parquet")
    if path.is_file() and answers.is_file() and not force and read_result(path).get("inputs") == inputs:
        return "there already"
    refuse_others(path, MARK)
    refuse_others(answers, ANSWERS_MARK)
    replies = classifier.predict(list(dataset.images), progress)
    result = generative.score(run, dataset, classifier, replies)
    facts = {"classes": list(dataset.classes), "manifest": {**result["manifest"], "run": run_facts(command)}}
    write_parquet(generative.frame_of(replies, dataset), answers, facts)
    write_result(path, {**result, "inputs": inputs})
    figures, silent = result["metrics"], result["replies"]["no_answer"]
    first = result["replies"]["first_substring"]["accuracy"]
    return (
        f"n = {figures['n']}, accuracy {figures['accuracy']:.3f}, balanced {figures['balanced_accuracy']:.3f}, no "
        f"answer {silent}; by the first class name in the reply, as published, accuracy {first:.3f}"
    )


def score(run: Run, dataset: LabelledImages, predictions: Predictions) -> Result:
    """Everything that is reported of one run, without the inputs."""
    table = predictions.probabilities.numpy()
    known = predictions.ok.numpy()
    answer, true = table[known].argmax(axis=1), dataset.labels[known]
    bins = reliability(table[known].max(axis=1), answer == true)
    return {
        "kind": "run",
        "config": {**run.facts(dataset), "views": predictions.manifest["settings"]["views"]},
        "data": dataset.facts(),
        "used": {"method": predictions.method, "prior": predictions.prior},
        "metrics": evaluate(dataset.labels, table, clusters=dataset.units).to_dict(),
        "confusion": confusion_matrix(true, answer, len(dataset.classes)).tolist(),
        "reliability": {name: getattr(bins, name).tolist() for name in ("count", "confidence", "accuracy")},
        "groups": {
            title: by_group(dataset.labels, table, names, clusters=dataset.units).to_dict()
            for title, names in dataset.groups.items()
        },
        "manifest": dict(predictions.manifest),
    }
