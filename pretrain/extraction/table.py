"""A table of captions in, the multi-aspect table out, and a row for everything that was refused."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, combinations, islice
from pathlib import Path

from zsderm.csv_files import csv_file, header_mark
from zsderm.errors import AnswerError, InputError, PretrainingDataError, SettingsError
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.captions import SUB_CAPTIONS
from zsderm.pretrain.data.published_format import CAPTION_COLUMNS, SUB_CAPTION_COLUMNS, Cells, text_of
from zsderm.pretrain.data.records import Place
from zsderm.pretrain.data.sources import read_rows
from zsderm.pretrain.extraction.answer import NO_DISEASE, Answer, Engine, Rejection
from zsderm.pretrain.extraction.reading import CaptionReader

WRITTEN = (
    *("filename", "caption", "ontology_caption", "visual_concept_caption", "sub_captions", *SUB_CAPTION_COLUMNS),
    *("sub_caption_mask", "knowledge_masks", "disease", "ontology_path", "concepts"),
)
REJECTED = ("row", "filename", "kind", "term", "reason", "detail")
REJECTED_MARK = header_mark(REJECTED)  # see `zsderm.atomic_files.refuse_others`
DROPPED = ("label", "truncated_caption")  # the reader would take a table with labels for one without captions
READ = ("filename", *CAPTION_COLUMNS)
MOST_FAILURES = 10  # captions in a row that an engine cannot take apart before the run stops


@dataclass
class Summary:
    """What came out of a table."""

    rows: int = 0
    diseases: int = 0  # rows with a definitive diagnosis
    concepts: int = 0
    sub_captions: int = 0
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, reason)
    replaced: tuple[str, ...] = ()  # columns of the captions that are not in the output, or are written anew there

    def add(self, answer: Answer) -> None:
        """Count one row."""
        self.rows += 1
        self.diseases += bool(answer.disease)
        self.concepts += len(answer.concepts)
        self.sub_captions += len(answer.sub_captions)
        self.rejected.update((refused.kind, refused.reason) for refused in answer.rejected)


def extract_table(
    captions: Path,
    output: Path,
    rejected: Path,
    engine: Engine,
    reader: CaptionReader,
    *,
    image_column: str = "",
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> Summary:
    """Take every caption of a table apart and write what it says.

    Both files appear whole or not at all. A caption that the engine cannot take apart is a row with the caption alone.

    Args:
        captions: .csv, .tsv, .jsonl or .parquet with the columns filename and caption; further columns go along,
            `label` does not.
        output: the multi-aspect table (.csv). Names of images are made relative to its folder.
        rejected: what was refused (.csv): the row of the input, the kind, the term, and why.
        engine: takes captions apart.
        reader: knows the place of a disease in the ontology.
        image_column: the column of `captions` that names the images; empty: filename or another usual name.
        workers: captions at a time.
        advance: called after each caption.

    Raises:
        PretrainingDataError: the table cannot be read or has no captions.
        InputError: the engine failed on many captions in a row, or on all there are.
        SettingsError: a file cannot be written, or two of the three are one.
    """
    _refuse_shared(captions, output, rejected)
    rows = read_rows(Source(str(captions), image_column=image_column), Path())
    begun, columns = _begun(captions, rows)
    further = [column for column in columns if column not in (*WRITTEN, *DROPPED)]
    summary = Summary(replaced=tuple(c for c in columns if c in (*WRITTEN, *DROPPED) and c not in READ))
    with csv_file(output, [*WRITTEN, *further]) as writer, csv_file(rejected, REJECTED) as refusals:
        for cells, place, answer in _answers(chain(begun, rows), engine, workers):
            summary.add(answer)
            if cells:  # a sample of a shard without words has nothing to say
                writer.write({**_row(cells, place, answer, reader, output), **{c: cells.get(c, "") for c in further}})
            refusals.write_all(_refusal(place, refused) for refused in answer.rejected)
            advance()
    return summary


def _refuse_shared(*files: Path) -> None:
    """Refuse a file that would be read and written, or written twice."""
    for one, other in combinations(files, 2):
        if os.path.realpath(one) == os.path.realpath(other):
            raise SettingsError(
                f"'{one}' would be written over by '{other}', and lost. Give each file a name of its own."
            )


def _begun(captions: Path, rows: Iterator[tuple[Cells, Place]]) -> tuple[list[tuple[Cells, Place]], list[str]]:
    """The rows up to the first one with cells (samples of a shard may lack their words), and its columns.

    Raises:
        PretrainingDataError: no row has cells, or that one has no caption.
    """
    begun: list[tuple[Cells, Place]] = []
    for cells, place in rows:
        begun.append((cells, place))
        if cells:
            break
    columns, place = list(begun[-1][0]), begun[-1][1]
    if not columns:
        raise PretrainingDataError(f"{captions} has no captions. {place}: {place.flaw}.")
    if not any(column in columns for column in CAPTION_COLUMNS):
        raise PretrainingDataError(f"{captions} has no column 'caption'. Its columns: {', '.join(columns)}.")
    return begun, columns


def _answers(
    rows: Iterable[tuple[Cells, Place]], engine: Engine, workers: int
) -> Iterator[tuple[Cells, Place, Answer]]:
    """The rows in their order, each with its answer; a few are always under way."""
    failures, answered = 0, False
    last: InputError | None = None
    waiting: deque[tuple[Cells, Place, Future[Answer]]] = deque()
    rows = iter(rows)
    pool = ThreadPoolExecutor(workers)
    try:
        while True:
            for cells, place in islice(rows, 2 * workers - len(waiting)):
                waiting.append((cells, place, pool.submit(_answer, engine, _caption(cells))))
            if not waiting:
                if last and not answered:
                    raise last
                return
            cells, place, future = waiting.popleft()
            try:
                answer = future.result()
                if _caption(cells):  # a row without one says nothing about the engine
                    failures, answered = 0, True
            except InputError as error:
                failures, last = failures + 1, error
                if failures == MOST_FAILURES:
                    raise
                unusable = isinstance(error, AnswerError)
                reason = "the answer cannot be used" if unusable else "the engine did not answer"
                answer = Answer(rejected=(Rejection("reply", "", reason, str(error)),))
            yield cells, place, answer
    finally:
        pool.shutdown(cancel_futures=True)


def _answer(engine: Engine, caption: str) -> Answer:
    if not caption:
        return Answer(rejected=(Rejection("caption", "", "there is no caption"),))
    return engine.extract(caption)


def _caption(cells: Cells) -> str:
    return next((text for column in CAPTION_COLUMNS if (text := text_of(cells.get(column)))), "")


def _row(cells: Cells, place: Place, answer: Answer, reader: CaptionReader, output: Path) -> dict[str, object]:
    caption = _caption(cells)
    path = reader.path(answer.disease) if answer.disease else ()
    ontology = ", ".join((*path, answer.disease)) if answer.disease else ""
    visual = ", ".join(map(spoken, answer.concepts))
    texts = [*answer.sub_captions, *[""] * (SUB_CAPTIONS - len(answer.sub_captions))]
    return {
        "filename": _relative(place, output),
        "caption": caption,
        "ontology_caption": ontology,
        "visual_concept_caption": visual,
        "sub_captions": len(answer.sub_captions),
        **dict(zip(SUB_CAPTION_COLUMNS, texts, strict=True)),
        "sub_caption_mask": str([int(bool(text)) for text in texts]),
        "knowledge_masks": str([int(bool(text)) for text in (caption, ontology, visual)]),
        "disease": answer.disease or NO_DISEASE,
        "ontology_path": " > ".join(path),
        "concepts": "; ".join(answer.concepts),
    }


def spoken(concept: str) -> str:
    """A concept as one says it: "brown" for "brown(hyperpigmentation)", "warty" for "warty/papillomatous"."""
    return re.split(r"[/(]", concept, maxsplit=1)[0]


def _relative(place: Place, output: Path) -> str:
    if (
        not place.filename
        or Path(place.filename).is_absolute()
        or place.table.parent.resolve() == output.parent.resolve()
    ):
        return place.filename
    return Path(os.path.relpath(os.path.realpath(place.image), os.path.realpath(output.parent))).as_posix()


def _refusal(place: Place, refused: Rejection) -> dict[str, object]:
    detail = refused.detail or place.flaw
    told = {"kind": refused.kind, "term": refused.term, "reason": refused.reason, "detail": detail}
    return {"row": place.row, "filename": place.filename, **told}
