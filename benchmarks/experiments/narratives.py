"""What a patient's words add to a photograph without any training, where they mislead, and how far.

    python -m zsderm.benchmarks.experiments.narratives --data-root DATA --output docs/narratives.json \\
        --document docs/narratives.md --picture docs/narratives

puts the answers of the patients of PAD-UFES-20 into words (`zsderm.narratives.patient`), several times with other
seeds, and gives them to `zsderm.narratives.answers.with_words` beside the photographs: image alone; words alone; both;
both with the story of a patient with another diagnosis, drawn at random; both with an empty story, which has to leave
every row as it is; and the story with something left out: what the patient does not know, the age, or all but the age.

Photographs of dev are answered by the encoder, zero-shot; it was trained with none of them. It was trained with those
of train, so the image side is another there: a logistic regression on embeddings, fitted to other patients. The
embeddings are those of the same encoder with noise, so that it is right as often as on dev ("stand-in", see
`patients_words`); with --unseen-model also those of an encoder that never saw the data set, such as a run of
pretrain/configs/mini.yaml without the tables pad and pad_lesion_only.

Nothing is set here: weight, doubt and all else are the defaults of the library. They were chosen with the train
patients, and dev was looked at several times with other constants. Figures are means over the drawn stories; intervals
are 95 % bootstrap intervals over patients, and differences are paired. Prints the tables, and puts them between the
marks of a page, of which <!-- words beside photographs --> is the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from zsderm import KnowledgeBase, Predictions, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.experiments.chain_of_options import SHARES, simulated
from zsderm.benchmarks.experiments.image_side import calibrated, weakened
from zsderm.benchmarks.experiments.narratives_shown import picture, tables
from zsderm.benchmarks.experiments.patients_words import in_words, parts
from zsderm.benchmarks.experiments.resampled_figures import Table, figures, resampled, with_interval
from zsderm.benchmarks.experiments.story_answers import answers_of, by_words, even_rows, fused, sentence_model
from zsderm.benchmarks.figures import save
from zsderm.benchmarks.options import (
    cache_dir_option,
    data_root_option,
    document_option,
    model_option,
    output_option,
)
from zsderm.benchmarks.pages import publish
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.image_table import ImageTable
from zsderm.narratives.answers import with_words
from zsderm.narratives.fusion import DOUBT
from zsderm.narratives.given import WEIGHT
from zsderm.narratives.look_alikes import likeness
from zsderm.narratives.patient import AGE, ANSWERS
from zsderm.narratives.written import SPLITS, WrittenStory, written_stories
from zsderm.table_files import UNKNOWN_WORDS
from zsderm.tasks.audit import ImageSet, audit
from zsderm.tasks.audit.cross_fitting import cross_fitted, joined

DRAWS = {"dev": 5, "train": 3}  # stories for each row
READ = 5  # answers to read that the words changed, and as many that they did not


@click.command(help=__doc__)
@data_root_option
@model_option
@click.option("--unseen-model", help="An encoder that never saw PAD-UFES-20, for the train patients.")
@cache_dir_option
@output_option
@document_option
@click.option("--picture", "drawing", type=click.Path(path_type=Path), help="Plot, a path without a suffix.")
def main(
    data_root: Path,
    model: str,
    unseen_model: str | None,
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
    drawing: Path | None,
) -> None:
    """Answer all photographs and stories, then write tables, figures and plot."""
    encoder, knowledge = load_encoder(model), KnowledgeBase.load(DEFAULT_KNOWLEDGE)
    whole = ImageTable.read(data_root / "pad" / "index.csv")
    classes = sorted(set(whole.column("label")))
    train, dev = whole.where("split", "train"), whole.where("split", "dev")
    zero_shot = ZeroShotClassifier.from_pretrained(encoder, classes=classes, knowledge=knowledge, cache=cache_dir)
    answers = zero_shot.predict([str(file) for file in dev.files])
    told = {"dev": Told(dev, classes, knowledge, cache_dir), "train": Told(train, classes, knowledge, cache_dir)}
    seen = answers.probabilities.numpy().astype(float)
    goal = float((seen.argmax(axis=1) == told["dev"].true).mean())
    sides = {
        "dev": ("dev", seen),
        "train, stand-in": ("train", stand_in(train, told["train"].true, encoder, goal, cache_dir)),
    }
    content: dict[str, Any] = {"encoder": encoder.fingerprint, "weight": WEIGHT, "doubt": DOUBT, "draws": DRAWS}
    if unseen_model:
        unseen = load_encoder(unseen_model)
        features = np.asarray(audit(ImageSet("pad", tuple(train.files)), encoder=unseen, cache=cache_dir).features)
        fitted = cross_fitted(features, told["train"].true, told["train"].patients, len(classes)).clip(1e-6)
        sides["train, unseen"] = ("train", fitted / fitted.sum(axis=1, keepdims=True))
        content["unseen encoder"] = unseen.fingerprint
    content["sets"] = {name: told[split].measured(image) for name, (split, image) in sides.items()}
    content["written"] = written(knowledge, written_stories(), cache_dir)
    content["read"] = told["dev"].to_read(answers)
    publish(tables(content), content, output, document)
    if drawing:
        save(picture(content), drawing)


def stand_in(table: ImageTable, true: NDArray[np.int64], encoder: Any, goal: float, cache: Path | None) -> Table:
    """(N, C) probabilities of an image model as often right as `goal`, see `patients_words`."""
    features = np.asarray(audit(ImageSet("pad", tuple(table.files)), encoder=encoder, cache=cache).features)
    patients = joined(len(true), [table.column("patient_id")])
    image, _ = weakened(features, true, patients, int(true.max()) + 1, goal)
    return calibrated(image, true, list(parts(table)))


class Told:
    """The stories of one split, and what they say of the classes.

    Attributes:
        true: (N,) int, the classes.
        patients: (N,) int, equal for photographs of one patient.
        words: by kind of story, D tables (N, C) of probabilities by words alone, one a drawing.
    """

    def __init__(
        self, table: ImageTable, classes: Sequence[str], knowledge: KnowledgeBase, cache: Path | None = None
    ) -> None:
        self._table, self._classes, self._knowledge, self._cache = table, classes, knowledge, cache
        self._names = [str(file) for file in table.files]
        self.true = np.array([classes.index(label) for label in table.column("label")])
        self.patients = joined(len(self.true), [table.column("patient_id")])
        seeds = range(DRAWS[table.column("split")[0]])
        self._stories = [narratives(table, seed) for seed in seeds]
        kinds = {
            "story": self._stories,
            "no unknown": [narratives(table, seed, say_unknown=False) for seed in seeds],
            "no age": [narratives(table, seed, without=AGE) for seed in seeds],
            "age alone": [[f"I am {age.partition('.')[0]} years old." for age in table.column(AGE)]],
        }
        self.words = {kind: [self._read(stories) for stories in drawn] for kind, drawn in kinds.items()}

    def _read(self, stories: Sequence[str]) -> Table:
        even = answers_of(self._names, self._classes, even_rows(len(stories), len(self._classes)))
        return by_words(even, stories, self._knowledge, self._cache)

    def measured(self, image: Table) -> dict[str, Any]:
        """Every way to answer beside one image side, ready for JSON.

        Args:
            image: (N, C) probabilities by image alone.
        """
        own = self.words["story"]
        strange = [rows[another(self.true, seed)] for seed, rows in enumerate(own)]
        empty = with_words(answers_of(self._names, self._classes, image), [""] * len(image), self._knowledge)
        ways = {
            "image": [image],
            "words": own,
            "both": [fused(image, rows) for rows in own],
            "another story": [fused(image, rows) for rows in strange],
            "empty story": [empty.probabilities.numpy().astype(float)],
            **{kind: [fused(image, rows) for rows in self.words[kind]] for kind in list(self.words)[1:]},
        }
        weights = resampled(self.patients)
        found = {way: figures(self.true, tables_, weights) for way, tables_ in ways.items()}
        return {
            "images": len(self.true),
            "patients": len(set(self.patients.tolist())),
            "ways": {way: {name: with_interval(rows) for name, rows in found[way].items()} for way in ways},
            "against image": {
                way: {name: with_interval(rows - found["image"][name]) for name, rows in found[way].items()}
                for way in list(ways)[1:]
            },
            "unchanged by an empty story": bool((ways["empty story"][0] == image.astype(np.float32)).all()),
            "known": self._by_answers(ways, weights),
            "classes": [self._of_class(place, ways) for place in range(len(self._classes))],
            "truth": [
                {"label": self._classes[kind], "before": before, "after": after}
                for kind, before, after in zip(
                    self.true, _of_truth(ways["image"], self.true), _of_truth(ways["both"], self.true), strict=True
                )
            ],
        }

    def _by_answers(self, ways: Mapping[str, Sequence[Table]], weights: Table) -> list[dict[str, Any]]:
        """Image against both, among the photographs with certain answers."""
        states = {name: np.array([_state(cell) for cell in self._table.column(name)]) for name in ANSWERS}
        known = sum((rows != "unknown").astype(int) for rows in states.values())
        groups = {"all six known": known == len(ANSWERS), "four or fewer known": known <= 4}
        for name, rows in states.items():
            groups |= {f"{name}: {state}": rows == state for state in ("yes", "no", "unknown")}
        found = []
        for name, members in groups.items():
            if not members.any():
                continue
            before, after = (figures(self.true, ways[way], weights * members) for way in ("image", "both"))
            row: dict[str, Any] = {"name": name, "images": int(members.sum())}
            row |= {way: float(rows["accuracy"][0]) for way, rows in (("image", before), ("both", after))}
            row["gain"] = {key: with_interval(after[key] - before[key]) for key in ("accuracy", "log_likelihood")}
            found.append(row)
        return found

    def _of_class(self, place: int, ways: Mapping[str, Sequence[Table]]) -> dict[str, Any]:
        """How many photographs of one class are right before and not after, and the other way round; mean of draws."""
        mine = self.true == place
        before = ways["image"][0][mine].argmax(axis=1) == place
        row: dict[str, Any] = {"label": self._classes[place], "images": int(mine.sum()), "image": int(before.sum())}
        for way in ("both", "another story"):
            after = np.array([rows[mine].argmax(axis=1) == place for rows in ways[way]])
            row[way] = {"put right": float((after & ~before).sum(axis=1).mean())}
            row[way]["put wrong"] = float((before & ~after).sum(axis=1).mean())
        return row

    def to_read(self, answers: Predictions) -> list[dict[str, Any]]:
        """Answers to read one by one, drawn from a seed: some that the words changed, and as many that they did not."""
        stories = self._stories[0]
        told = with_words(answers, stories, self._knowledge, cache=self._cache, model=sentence_model())
        changed = np.array([one != other for one, other in zip(told.labels, answers.labels, strict=True)])
        rng, chosen = np.random.default_rng(0), []
        for group in (np.flatnonzero(changed), np.flatnonzero(~changed)):
            chosen += sorted(rng.choice(group, min(READ, len(group)), replace=False).tolist())
        found = []
        for row in chosen:
            of = told.words.of(row) if told.words else None
            assert of is not None
            found.append(
                {
                    "image": Path(answers.images[row]).stem,
                    "label": self._classes[self.true[row]],
                    "story": of.story,
                    "by image": of.by_image,
                    "by words": of.by_words,
                    "by both": told.top_k(1)[row][0],
                    "truth": [float(part.probabilities[row, self.true[row]]) for part in (answers, told)],
                    "matched": [asdict(match) for match in of.matched],
                }
            )
        return found


def narratives(table: ImageTable, seed: int, *, say_unknown: bool = True, without: str = "") -> list[str]:
    """The answers of the patients in words; photographs of a lesion have one story.

    Args:
        table: the data set.
        seed: of the words.
        say_unknown: see `stories_of`.
        without: a column that is not told.
    """
    cases = zip(table.column("patient_id"), table.column("lesion_id"), strict=True)
    return in_words(table, [" ".join(case) for case in cases], seed, say_unknown=say_unknown, without=without)


def another(true: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(N,) int: for each row, one of another class."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(np.flatnonzero(true != own)) for own in true])


def written(
    knowledge: KnowledgeBase, given: Sequence[WrittenStory], cache: Path | None = None, draws: int = 5
) -> dict[str, Any]:
    """Written stories by split: by words alone, and beside the simulated image model of `chain_of_options`.

    Args:
        knowledge: says what patients report.
        given: the stories; their labels are the classes, four or more.
        cache: folder that keeps the embeddings of the base's sentences.
        draws: of the simulated image model.
    """
    classes = sorted({story.label for story in given})
    alike = likeness(classes, knowledge)
    found = {}
    for split in (name for name in SPLITS if any(story.split == name for story in given)):
        stories = [story for story in given if story.split == split]
        true = np.array([classes.index(story.label) for story in stories])
        even = answers_of([story.id for story in stories], classes, even_rows(len(true), len(classes)))
        rows = by_words(even, [story.narrative for story in stories], knowledge, cache)
        images = [simulated(true, alike, SHARES, np.random.default_rng(draw))[1] for draw in range(draws)]
        weights = resampled(np.arange(len(true)))
        ways = {"words": [rows], "image": images, "both": [fused(image, rows) for image in images]}
        measured = {way: figures(true, tables_, weights) for way, tables_ in ways.items()}
        found[split] = {
            "stories": len(true),
            **{way: {name: with_interval(values) for name, values in each.items()} for way, each in measured.items()},
            "gain": with_interval(measured["both"]["accuracy"] - measured["image"]["accuracy"]),
        }
    return found


def _of_truth(drawn: Sequence[Table], true: NDArray[np.int64]) -> list[float]:
    return np.mean([rows[np.arange(len(true)), true] for rows in drawn], axis=0).tolist()


def _state(cell: str) -> str:
    text = cell.strip().lower()
    return "unknown" if text in UNKNOWN_WORDS else "yes" if text == "true" else "no"


if __name__ == "__main__":
    main()
