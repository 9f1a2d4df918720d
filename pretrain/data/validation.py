"""Checks of the tables of a run, row by row, before it is trained: cells, labels, lengths of texts, images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from zsderm import KnowledgeBase
from zsderm.atomic_files import atomic_file
from zsderm.csv_files import CsvRows, open_csv
from zsderm.errors import CheckpointError, ImageError, PretrainingDataError, UnknownClassError
from zsderm.file_names import printable
from zsderm.images import file_hash, file_of, open_image
from zsderm.modalities import MODALITIES, modality_of
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.published_format import TEXT_COLUMNS, Cells, captions_of, text_of
from zsderm.pretrain.data.records import Place, image_stream
from zsderm.pretrain.data.sources import read_rows, record_of
from zsderm.pretrain.model.start import MINILM, context_length, minilm_folder

MISSING, UNREADABLE, DUPLICATE = "missing image", "unreadable image", "duplicate image"
INCOMPLETE = "no image to be had"  # a sample of a shard that lacks a part, or a name that may mean several files
CONTRADICTION, NO_CAPTION, TOO_LONG, LABEL = "contradiction", "no caption", "text too long", "unknown label"
MODALITY = "unknown modality"
CHUNK = 256  # rows whose images are in memory at a time


@dataclass(frozen=True)
class Problem:
    """One mistake in one row of a table."""

    table: str
    row: int  # as `Place.row`
    filename: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Report:
    """The number of rows that were checked, and the problems in the order of the tables and rows."""

    rows: int
    problems: tuple[Problem, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of problems of each kind, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    def write(self, file: TextIO) -> None:
        """The problems as a CSV table."""
        CsvRows(file, [field.name for field in fields(Problem)]).write_all(map(asdict, self.problems))

    def to_csv(self, path: Path) -> None:
        """Write the problems to a file, whole or not at all.

        Raises:
            SettingsError: the place cannot be written.
        """
        with atomic_file(path) as draft, open_csv(draft) as file:
            self.write(file)


@dataclass(frozen=True)
class TokenLimit:
    """How to count the tokens of a text, start and end tokens included, and how many the text tower reads."""

    count: Callable[[str], int]
    most: int


def token_limit(model_cfg: Mapping[str, Any]) -> TokenLimit:
    """The tokenizer and context length of a model configuration.

    Args:
        model_cfg: as in open_clip_config.json.

    Raises:
        MissingDependencyError: the tokenizer is in a package that is not installed.
        CheckpointError: the tokenizer is neither a folder nor in the hub's cache, and cannot be fetched.
    """
    text_cfg, most = model_cfg["text_cfg"], context_length(model_cfg)
    name = text_cfg.get("hf_tokenizer_name") or text_cfg.get("hf_model_name")
    if not name:
        clip = SimpleTokenizer(context_length=most)
        return TokenLimit(lambda text: len(clip.encode(text)) + 2, most)
    try:
        wrapped = HFTokenizer(str(minilm_folder()) if name == MINILM else name, context_length=most)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The tokenizer {name!r} of the configuration is not to be had: {' '.join(str(error).split())[:200]}. "
            "Fetch it once, or check the tables without --config; then the lengths of texts stay unchecked."
        ) from error
    return TokenLimit(lambda text: len(wrapped.tokenizer(wrapped.clean_fn(text), verbose=False)["input_ids"]), most)


def validate(
    sources: Sequence[Source],
    root: Path,
    *,
    limit: TokenLimit | None = None,
    knowledge: KnowledgeBase | None = None,
    threads: int = 2,
    advance: Callable[[int], None] = lambda rows: None,
) -> Report:
    """Check every row of every table: its cells, its texts and its image.

    Args:
        sources: the tables; the same image in two of them counts as a duplicate.
        root: the data folder.
        limit: the tokenizer and context length; None leaves the lengths of texts unchecked.
        knowledge: where captions of labelled images are written from; None leaves the labels unchecked.
        threads: images decoded at a time.
        advance: called with the number of rows that were checked.

    Raises:
        PretrainingDataError: if a table is missing, is none, or has no matching row.
    """
    problems: list[Problem] = []
    first: dict[str, Place] = {}
    total = 0
    with ThreadPoolExecutor(threads) as pool:
        for source in sources:
            rows = read_rows(source, root)
            while chunk := list(islice(rows, CHUNK)):
                states = pool.map(_image_state, [place for _, place in chunk])
                for (cells, place), (digest, *flaw) in zip(chunk, states, strict=True):
                    problem = partial(Problem, printable(str(place.table)), place.row, printable(place.filename))
                    checked = () if place.flaw and not cells else _cell_problems(cells, place, source, limit, knowledge)
                    found = [*checked, *_pairs(flaw)]
                    if digest and (twin := first.setdefault(digest, place)) is not place:
                        found.append((DUPLICATE, f"the same file as {twin.filename} ({twin})"))
                    problems += [problem(kind, reason) for kind, reason in found]
                total += len(chunk)
                advance(len(chunk))
    return Report(total, tuple(problems))


def _cell_problems(
    cells: Cells, place: Place, source: Source, limit: TokenLimit | None, knowledge: KnowledgeBase | None
) -> Iterator[tuple[str, str]]:
    kind = text_of(cells.get("modality"))
    if kind and not modality_of(kind):
        yield MODALITY, f"expected a modality {', '.join(MODALITIES)}, or an empty cell, but got {kind!r:.60}"
    if "label" in cells:
        try:
            case = record_of(cells, place, source).case
            if knowledge and case:
                knowledge.find(case.label)
        except PretrainingDataError as error:
            yield CONTRADICTION, str(error).removeprefix(f"{place}: ")
        except UnknownClassError as error:
            yield LABEL, str(error)
        return
    texts, reasons = captions_of(cells)
    yield from ((CONTRADICTION, reason) for reason in reasons)
    if not any(texts) and not reasons:
        yield NO_CAPTION, "every caption is empty or masked, so the image teaches nothing"
    for column, text in zip(TEXT_COLUMNS, texts, strict=True):
        if limit and text and (count := limit.count(text)) > limit.most:
            yield TOO_LONG, f"{column} has {count} tokens, but the text tower reads {limit.most}; the rest is cut off"


def _image_state(place: Place) -> tuple[str, ...]:
    """The digest of an image; or an empty one, with the kind and the reason of what is wrong with it."""
    if not place.filename:
        return "", MISSING, "the cell that names the image is empty"
    if place.flaw:
        return "", INCOMPLETE, place.flaw
    try:
        with image_stream(place.image, place.span) as stream:
            open_image(stream, at_least=1)  # decoded in full, but a JPEG at an eighth of its size, which is quick
            return (file_hash(stream),)
    except ImageError as error:
        return "", UNREADABLE if os.path.isfile(file_of(place.image)) else MISSING, str(error)
    except OSError as error:
        return "", UNREADABLE, f"the file cannot be read: {error.strerror}"


def _pairs(flaw: Iterable[str]) -> list[tuple[str, str]]:
    kind_and_reason = tuple(flaw)
    return [(kind_and_reason[0], kind_and_reason[1])] if kind_and_reason else []
