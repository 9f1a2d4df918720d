"""Predictions: probabilities, labels, the descriptions behind each label, and how the answer was made.

Letters: N images, C classes. An image that could not be read keeps its row, with NaN probabilities and a reason.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import torch

from zsderm.arrays import are_probabilities
from zsderm.display.answers import answers_line, answers_table
from zsderm.errors import ClassListError, InputError, SettingsError
from zsderm.file_names import printable
from zsderm.long_tables import LAYOUTS, long_frame, probability_column
from zsderm.manifest_files import run_facts, write_csv_with_manifest, write_with_manifest
from zsderm.table_files import check_suffix, write_json_lines, write_parquet
from zsderm.wording import counted

if TYPE_CHECKING:
    from zsderm.display.gallery import Gallery


@dataclass(frozen=True)
class Evidence:
    """One description of a class that was named for an image, and how well it matches the image."""

    text: str
    score: float  # cosine of image and description, -1..1
    aspect: str  # "colour", "border", ...
    source: str  # who wrote the description
    modality: str = ""  # the kind of picture that shows it: of zsderm.modalities, or "either"; empty: not said
    shows: str = ""  # what must be in view: "lesion", "place", ... (vocabulary.SHOWS); empty: not said


class Words(Protocol):
    """What patients' words made of N answers, as `zsderm.narratives.word_answers.WordAnswers` has it."""

    def columns(self) -> dict[str, list[Any]]:
        """What a table says of them, in N cells each."""

    def nested(self) -> list[dict[str, Any]]:
        """N mappings for JSON."""

    def of(self, index: int) -> Any:
        """What a report shows of one image; None where nothing was told."""


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """The answer for N images over C classes.

    Attributes:
        images: N names, in the order of the rows.
        classes: C distinct names, in the order of the columns.
        probabilities: (N, C) float32 on the CPU. Each row sums to 1, or is NaN throughout if the image failed.
        method: the method really used, such as "kpl" or "knowledge".
        prior: the class prior really used, such as "auto".
        requested_method: the method that was asked for.
        evidence: for each image descriptions of its most probable class, the one that was chosen first; may be empty.
        errors: a reason for each failed image, by name.
        manifest: encoder, knowledge base, settings, versions and notes, enough to repeat the run.
        sets: (N, C) bool, the classes that could not be ruled out for each image; None when no sets were asked for.
        familiarity: (N,) float32, how much each image looks like those that the encoder was trained with, whatever the
            classes: 0 for one as usual as they are on average, -1 for one ten times as far from them
            (`zsderm.encoders.home`); NaN for a failed image. Of an encoder whose training images were not measured it
            is `energy`.
        abstained: (N,) bool, for which images the answer is "none of these"; None when that was not asked for.
        proxies: (C, D) float32 unit rows that the images were held against, for those who want to explain an answer;
            None where each image had rows of its own, or nothing was answered.
        centre: (D,) float32, what was taken from image features before they were held against `proxies`; None: nothing.
        unrefined_labels: N labels before the refinement, None for a failed image; None where nothing was refined.
        minimum: 0 to 1, the probability below which a label is marked in tables; None marks nothing.
        runner_up_evidence: as ``evidence``, of the second most probable class.
        energy: (N,) float32, how much each image looks like any of the classes: the energy of its scores, in units of
            cosine; NaN for a failed image. Low values suggest "none of these"; only a calibration gives a threshold.
        words: what patients' words made of the answers, `zsderm.narratives.word_answers.WordAnswers`; then
            ``probabilities`` are those by image and words. None where no narratives were given.
    """

    images: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: torch.Tensor
    method: str
    prior: str
    requested_method: str
    evidence: tuple[tuple[Evidence, ...], ...]
    errors: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    sets: torch.Tensor | None = None
    familiarity: torch.Tensor | None = None
    abstained: torch.Tensor | None = None
    proxies: torch.Tensor | None = None
    centre: torch.Tensor | None = None
    unrefined_labels: Sequence[str | None] | None = None
    minimum: float | None = None
    runner_up_evidence: tuple[tuple[Evidence, ...], ...] = ()  # empty: none for any image
    energy: torch.Tensor | None = None
    words: Words | None = None

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        table = torch.as_tensor(self.probabilities).detach().to("cpu", torch.float32)
        object.__setattr__(self, "probabilities", table)
        object.__setattr__(self, "images", tuple(self.images))
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "evidence", tuple(tuple(texts) for texts in self.evidence))
        others = self.runner_up_evidence or ((),) * len(self.images)
        object.__setattr__(self, "runner_up_evidence", tuple(tuple(texts) for texts in others))
        self._check_names()
        self._check_shapes()
        self._check_rows()

    def _check_names(self) -> None:
        if not self.classes:
            raise ClassListError("Expected argument `classes` to hold at least one name, but got none.")
        repeated = [name for name, count in Counter(self.classes).items() if count > 1]
        if repeated:
            raise ClassListError(f"Expected argument `classes` to hold distinct names, but got {repeated[0]!r} twice.")
        strangers = sorted(set(self.errors) - set(self.images))
        if strangers:
            raise InputError(f"Expected the keys of `errors` to be among `images`, but got {strangers[0]!r}.")

    def _check_shapes(self) -> None:
        expected = (len(self.images), len(self.classes))
        if tuple(self.probabilities.shape) != expected:
            raise InputError(
                f"Expected argument `probabilities` to be of shape (images, classes) = {expected}, "
                f"but got {tuple(self.probabilities.shape)}."
            )
        for name in ("evidence", "runner_up_evidence"):
            if len(getattr(self, name)) != len(self.images):
                raise InputError(
                    f"Expected argument `{name}` to hold one entry for each of the {len(self.images)} images, "
                    f"but got {len(getattr(self, name))}."
                )
        rows = dict.fromkeys(("familiarity", "abstained", "energy"), expected[:1])
        for name, shape in {"sets": expected, **rows}.items():
            given = getattr(self, name)
            if given is not None and tuple(given.shape) != shape:
                raise InputError(f"Expected argument `{name}` to be of shape {shape}, but got {tuple(given.shape)}.")
        if self.proxies is not None and (self.proxies.ndim != 2 or len(self.proxies) != len(self.classes)):
            raise InputError(
                f"Expected argument `proxies` to hold a row for each of {len(self.classes)} classes, "
                f"but got shape {tuple(self.proxies.shape)}."
            )

    def _check_rows(self) -> None:
        failed = self.probabilities.isnan().all(dim=1)  # (N,)
        for index in (~(failed | are_probabilities(self.probabilities))).nonzero().flatten().tolist():
            raise InputError(
                "Expected each row of `probabilities` to be non-negative and sum to 1, "
                f"but got {self.probabilities[index].tolist()} for image {self.images[index]!r}."
            )
        for index in failed.nonzero().flatten().tolist():
            if not self.errors.get(self.images[index]):
                raise InputError(f"Expected a reason in `errors` for image {self.images[index]!r} with NaN, got none.")

    def __len__(self) -> int:
        """N, failed images included."""
        return len(self.images)

    def __repr__(self) -> str:
        noted = f"; {counted(len(self.notes), 'note')}, see notes" if self.notes else ""
        return f"Predictions({self._line}{noted})"

    @property
    def _line(self) -> str:
        return answers_line(self.labels, self.classes, self.method)

    def _repr_html_(self) -> str:
        """What a notebook shows: the first images, with their answers and the first description."""
        told = () if self.unrefined_labels is None else (self.refinement,)
        rows = self.images, self.top_k(2), self._first_descriptions, self.errors
        return answers_table(self._line, *rows, filter(None, (*told, *self.notes)))

    @property
    def _first_descriptions(self) -> list[str]:
        """For each image its first description; an empty text where it has none."""
        return [texts[0].text if texts else "" for texts in self.evidence]

    def plot(
        self,
        images: object = None,
        *,
        most: int = 24,
        top_k: int = 3,
        true: Sequence[object] | None = None,
    ) -> Gallery:
        """The photographs with their answers, side by side; a notebook shows them, `Gallery.save` writes a page.

        Args:
            images: what `predict` was given; it can be left out where that was paths.
            most: how many photographs are shown at most, in the order of the rows.
            top_k: how many classes stand below each.
            true: N true classes by name or index, empty where one is not known; read as `zsderm.class_labels` does, so
                that "mole" is right beside the answer "nevus".

        Raises:
            ImageError: the photographs are not where they were.
            InputError: not as many images or true classes as rows, or a true class is none of the classes.
            WrongTypeError: the true classes are no list.
            SettingsError: `most` or `top_k` below 1.
        """
        from zsderm.class_labels import true_classes
        from zsderm.display.gallery import gallery_of

        known = None if true is None else true_classes(true, self.classes)
        remarks = dict(self.errors)
        if self.abstained is not None:
            unfamiliar = zip(self.images, self.abstained.tolist(), strict=True)
            remarks |= {name: "may be none of these" for name, none in unfamiliar if none and name not in remarks}
        return gallery_of(self._line, self.images, images, self.top_k(top_k), remarks, known, most, self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the answers, such as what was done otherwise than asked; they are in the manifest."""
        return tuple(self.manifest.get("notes", ()))

    @property
    def refinement(self) -> str:
        """What the refinement did and why, in a sentence or two; empty where none was asked for, or nothing answered.

        The manifest has it as ``refinement.summary``, beside ``changed`` and ``answers``: how many answers are not
        those of the text proxies, and how many there are.
        """
        return str((self.manifest.get("refinement") or {}).get("summary", ""))

    @property
    def changed(self) -> torch.Tensor:
        """(N,) bool: which answers the refinement changed; where there are narratives, of the photograph alone."""
        if self.unrefined_labels is None:
            return torch.zeros(len(self), dtype=torch.bool)
        rows = zip(self.unrefined_labels, self.labels_by_image, strict=True)
        return torch.tensor([bool(before and after) and before != after for before, after in rows], dtype=torch.bool)

    @property
    def labels_by_image(self) -> list[str]:
        """N labels by the photographs alone: `labels`, but for images of which a patient told something."""
        told = [None if self.words is None else self.words.of(index) for index in range(len(self))]
        return [label if one is None else one.by_image[0] for one, label in zip(told, self.labels, strict=True)]

    @property
    def ok(self) -> torch.Tensor:
        """(N,) bool: which images were classified."""
        return ~self.probabilities.isnan().any(dim=1)

    @property
    def labels(self) -> list[str]:
        """N names of the most probable classes; an empty string for a failed image."""
        return [ranked[0][0] if ranked else "" for ranked in self.top_k(1)]

    @property
    def confidence(self) -> torch.Tensor:
        """(N,) float32: the probability of each label; NaN for a failed image."""
        return self.probabilities.max(dim=1).values

    @property
    def below_minimum(self) -> torch.Tensor:
        """(N,) bool: which labels are less probable than ``minimum``; false for a failed image."""
        return self.confidence < (0 if self.minimum is None else self.minimum)  # NaN is not below anything

    @property
    def set_names(self) -> list[list[str]]:
        """For each image the names of its prediction set, in the order of ``classes``; empty where it has none."""
        sets = torch.zeros(len(self), len(self.classes)) if self.sets is None else self.sets
        return [[name for name, inside in zip(self.classes, row, strict=True) if inside] for row in sets.tolist()]

    def top_k(self, k: int = 3) -> list[list[tuple[str, float]]]:
        """The k most probable classes of each image, best first; equal ones in the order of ``classes``.

        Args:
            k: at least 1; clipped to the number of classes.

        Returns:
            N lists of (class, probability); an empty list for a failed image.
        """
        if k < 1:
            raise SettingsError(f"Expected argument `k` to be at least 1, but got {k}.")
        values, columns = self.probabilities.sort(dim=1, descending=True, stable=True)
        rows = zip(self.ok.tolist(), values[:, :k].tolist(), columns[:, :k].tolist(), strict=True)
        return [
            [(self.classes[c], p) for p, c in zip(row, where, strict=True)] if ok else [] for ok, row, where in rows
        ]

    def to_frame(self, top_k: int = 3, layout: str = "wide") -> pd.DataFrame:
        """One row per image, or one per image and class; docs/tables.md lists the columns with their types.

        Wide: image, label, probability, label_2, probability_2, ... (up to ``top_k``), "probability: melanoma" and
        the like (in the order of ``classes``), familiarity, prediction_set (names with "; " between them), abstained,
        below_minimum, unrefined_label, method, evidence (the first description), error (empty when fine). Long: image,
        class, rank, probability, in_prediction_set, familiarity, abstained, below_minimum, unrefined_label, method,
        evidence (in the row of rank 1), error. The columns of prediction sets, abstention, minimum and familiarity are
        there where these were asked for, unrefined_label where answers were refined.

        Args:
            top_k: how many classes a wide table names; clipped to the number of classes. A long one has all of them.
            layout: "wide" or "long".

        Raises:
            SettingsError: another layout.
        """
        if layout not in LAYOUTS:
            raise SettingsError(f"Expected `layout` to be one of {', '.join(LAYOUTS)}, but got {layout!r}.")
        rows = pd.DataFrame({"image": [printable(image) for image in self.images], **self._after_probabilities()})
        if layout == "long":
            sets = {} if self.sets is None else {"in_prediction_set": self.sets.numpy()}
            return long_frame(rows, self.classes, {"probability": self.probabilities.numpy(), **sets})
        ranked = self.top_k(top_k)
        columns: dict[str, Any] = {}
        for rank in range(min(top_k, len(self.classes))):
            suffix = f"_{rank + 1}" if rank else ""
            columns[f"label{suffix}"] = [row[rank][0] if row else "" for row in ranked]
            shares = [row[rank][1] if row else math.nan for row in ranked]
            columns[f"probability{suffix}"] = pd.Series(shares, dtype="float32")
        for name, column in zip(self.probability_columns, self.probabilities.T, strict=True):
            columns[name] = pd.Series(column.numpy(), dtype="float32", copy=True)
        if self.sets is not None:
            rows.insert(1 + (self.familiarity is not None), "prediction_set", ["; ".join(n) for n in self.set_names])
        return pd.concat([rows.iloc[:, :1], pd.DataFrame(columns, index=rows.index), rows.iloc[:, 1:]], axis=1)

    def _after_probabilities(self) -> dict[str, Any]:
        """What a table says of each image behind its probabilities, in either layout."""
        columns: dict[str, Any] = {}
        if self.familiarity is not None:
            columns["familiarity"] = pd.Series(self.familiarity.numpy(), dtype="float32", copy=True)
        if self.abstained is not None:
            columns["abstained"] = self.abstained.tolist()
        if self.minimum is not None:
            columns["below_minimum"] = self.below_minimum.tolist()
        if self.unrefined_labels is not None:
            columns["unrefined_label"] = [label or "" for label in self.unrefined_labels]
        if self.words is not None:
            columns |= self.words.columns()
        columns["method"] = [self.method] * len(self)
        columns["evidence"] = self._first_descriptions
        ok = self.ok.tolist()
        columns["error"] = ["" if ok[i] else self.errors[image] for i, image in enumerate(self.images)]
        return columns

    def nested(self, layout: str = "wide") -> dict[str, list[Any]]:
        """What JSON Lines has beside the columns of `to_frame`: ``descriptions``, all evidence of each image.

        One list for each row, of mappings with the fields of `Evidence`, and another of the runner-up,
        ``runner_up_descriptions``. In a long table the rows of these two classes have ``descriptions``, each its own,
        and None is in the others.
        """
        told = [[[asdict(text) for text in texts] for texts in of] for of in (self.evidence, self.runner_up_evidence)]
        if layout == "wide":
            words = {} if self.words is None else {"words": self.words.nested()}
            return {**dict(zip(("descriptions", "runner_up_descriptions"), told, strict=True)), **words}
        cells: list[Any] = []
        for ranked, *both in zip(self.top_k(2), *told, strict=True):
            own = dict(zip((name for name, _ in ranked), both, strict=False))  # one class may be all there are
            cells += [own.get(name) for name in self.classes]
        return {"descriptions": cells}

    @property
    def probability_columns(self) -> list[str]:
        """(C,) what `to_frame` calls the column of each class."""
        return [self.probability_column(name) for name in self.classes]

    @staticmethod
    def probability_column(name: str) -> str:
        """What a table calls the column with the probabilities of a class: "probability: melanoma"."""
        return probability_column(name)

    @property
    def facts(self) -> dict[str, Any]:
        """What holds for all rows and is written with them: classes in their order, and the manifest.

        The manifest also has ``run``: command line, time and commit, see `zsderm.manifest_files.run_facts`.
        """
        return {"classes": list(self.classes), "manifest": {"run": run_facts(), **self.manifest}}

    def to_csv(self, path: str | os.PathLike[str], top_k: int = 3, layout: str = "wide") -> None:
        """Write the table of ``to_frame`` as CSV; the file is replaced whole or not at all.

        Beside it stands FILE.csv.manifest.json, with classes and manifest.

        Raises:
            SettingsError: another suffix, a place that cannot be written, or what stands there as manifest is somebody
                else's.
        """
        check_suffix(path, ".csv")
        write_csv_with_manifest(self.to_frame(top_k, layout), path, self.facts)

    def to_jsonl(self, path: str | os.PathLike[str], top_k: int = 3, layout: str = "wide") -> None:
        """Write the table of ``to_frame`` as one JSON object a line, NaN as null; replaced whole or not at all.

        Each line also has ``descriptions``, see `nested`, and the first one ``classes`` and ``manifest``.
        """
        check_suffix(path, ".jsonl", ".ndjson")
        write_json_lines(self.to_frame(top_k, layout).assign(**self.nested(layout)), Path(path), self.facts)

    def to_parquet(self, path: str | os.PathLike[str], top_k: int = 3, layout: str = "wide") -> None:
        """Write the table of ``to_frame`` as Parquet; the file is replaced whole or not at all.

        Its metadata have classes and manifest as JSON, under the key ``zsderm``.
        """
        check_suffix(path, ".parquet")
        write_parquet(self.to_frame(top_k, layout), Path(path), self.facts)

    def save(self, path: str | os.PathLike[str], top_k: int = 3, layout: str = "wide") -> None:
        """Write the table in the format that the suffix names: .csv, .jsonl or .parquet; see the methods for each.

        Raises:
            SettingsError: another suffix, or a place that cannot be written.
        """
        write_with_manifest(self.to_frame(top_k, layout), path, self.facts, self.nested(layout))
