"""Embeddings in a file, with what is needed to use them later: paths, errors, the encoder, and how many views.

FILE.npy      (N, D) float32, a row of NaN for an image that could not be read; beside it FILE.csv (image, error) with
              one line a row, and FILE.json with the encoder and the views
FILE.parquet  one row an image: image, embedding (null if it could not be read), error; the encoder and the views in the
              metadata
FOLDER        a data set of many such files, see `zsderm.embeddings.dataset_folder`
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice, tee
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from zsderm import __version__
from zsderm.atomic_files import atomic_file
from zsderm.csv_files import csv_file, header_mark, out_of_cell
from zsderm.embeddings.cache import IMAGES
from zsderm.embeddings.dataset_folder import DatasetFolder
from zsderm.embeddings.dataset_rows import DatasetColumn, DatasetRows, PartReader
from zsderm.embeddings.image_features import EMBEDDING, ImageEmbeddings, embed_batches
from zsderm.embeddings.stored_embeddings import StoredEmbeddings
from zsderm.embeddings.stored_rows import DIGESTS, RowDigests, check_rows
from zsderm.errors import InputError, SettingsError
from zsderm.file_names import printable
from zsderm.manifest_files import run_facts
from zsderm.places import is_address
from zsderm.progress import counting
from zsderm.stored_json import parse_json, read_json_file

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder

COLUMNS = ("image", "error")  # of FILE.csv
_MANIFEST_MARK = re.compile(rb'\A\{\s*"model": .*"zsderm": ', re.DOTALL)
SUFFIXES = (".npy", ".parquet")
# What numpy and pyarrow raise for a damaged file; the header of a .npy is Python, which numpy takes to pieces.
READ_ERRORS = (OSError, ValueError, LookupError, TypeError, EOFError, MemoryError, SyntaxError, TokenError)
PASSED_OVER = "zsderm_passed_over"  # key in the metadata of a Parquet file
ROW_GROUP = 4096  # rows written to a Parquet file at a time


def write_embeddings(
    path: str | os.PathLike[str],
    encoder: Encoder,
    images: Iterable[str | os.PathLike[str]],
    *,
    views: int | None = None,
    batch_size: int = 64,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
    passed_over: Mapping[str, int] | None = None,
    run: Mapping[str, str | None] | None = None,
) -> tuple[int, int]:
    """Embed images into a file as they come, in flat memory; the file appears when it is complete, or not at all.

    Args:
        path: ends in .npy or .parquet.
        encoder: gives the rows.
        images: paths, as from `images.walk`.
        views: how many views of each image are averaged, see `embed_images`; None for as many as the encoder's card
            says, which is what a classifier uses.
        batch_size: images encoded at a time.
        workers: decoding threads; by default one per processor, at most 8.
        cache: a folder that keeps rows between runs, or ``None``.
        progress: show a bar on stderr if that is a terminal, else a line a minute.
        passed_over: what was left out in the folders, as `images.walk` counts it on its way; goes into the file.
        run: which run writes, as `zsderm.manifest_files.run_facts` says it; goes into the file.

    Returns:
        How many images there were, and how many of them could not be read.

    Raises:
        SettingsError: another suffix, another number of views, or a place that cannot be written.
    """
    path = Path(path)
    writers: dict[str, Callable[[Path, Callable[[], dict[str, Any]], int, Iterator[_Batch]], tuple[int, int]]]
    writers = {".npy": _write_npy, ".parquet": _write_parquet}
    if path.suffix.lower() not in writers:
        raise SettingsError(f"Expected a file name ending in {' or '.join(SUFFIXES)}, but got '{path}'.")
    views = encoder.card.views if views is None else views
    to_embed, to_name = tee(images)
    how: dict[str, Any] = {"views": views, "batch_size": batch_size, "workers": workers, "cache": cache}
    with counting(EMBEDDING, None, progress) as tell:
        found = embed_batches(encoder, to_embed, **how, tell=tell)
        counted = {} if passed_over is None else passed_over
        describe = partial(_describe, encoder, views, counted, dict(run or run_facts()))
        return writers[path.suffix.lower()](path, describe, encoder.card.width, _named(found, to_name))


def read_embeddings(
    path: str | os.PathLike[str], encoder: Encoder | None = None, views: int | None = None
) -> StoredEmbeddings:
    """Read what `write_embeddings` or `embed_dataset` has written; a .npy is mapped into memory, not loaded.

    Args:
        path: ends in .npy, with FILE.csv and FILE.json beside it, or in .parquet; or the folder of a data set, whose
            rows are checked as they are read.
        encoder: the encoder that is to be used with the rows; ``None`` to ask for none in particular.
        views: how many views each row has to be the mean of; ``None`` to ask for no number in particular.

    Raises:
        InputError: not such a file, a data set that is not finished, or embeddings of another encoder or of another
            number of views.
    """
    stored = _read_dataset(path) if is_address(path) or os.path.isdir(path) else _read_file(Path(path))
    stored.check(encoder, views, path)
    return stored


def is_dataset(path: str | os.PathLike[str]) -> bool:
    """Whether a data set of embeddings has been begun in a folder.

    Raises:
        PlaceError, InputError: an address, and its bucket cannot be used, or the address cannot.
    """
    try:
        return DatasetFolder.exists(path)
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        if is_address(path):
            raise
        return False


def is_embeddings(path: str | os.PathLike[str]) -> bool:
    """Whether a path means embeddings: by its suffix, or because it is the folder of a data set of them.

    So is one whose manifest was deleted: who reads it is told so.
    """
    if os.fspath(path).lower().endswith(SUFFIXES) or is_dataset(path):
        return True
    return not is_address(path) and os.path.isdir(path) and DatasetFolder.lacks_manifest(path)


_Batch = tuple[list[str], ImageEmbeddings]


def _named(batches: Iterator[ImageEmbeddings], images: Iterator[str | os.PathLike[str]]) -> Iterator[_Batch]:
    """Batches with the paths of their images."""
    for batch in batches:
        names = [printable(os.fsdecode(image)) for image in islice(images, len(batch.ok))]
        yield names, batch


def _describe(
    encoder: Encoder, views: int, passed_over: Mapping[str, int], run: Mapping[str, str | None]
) -> dict[str, Any]:
    """What is said beside the rows; asked for when they are there, for only then all is known."""
    card = encoder.card
    facts = {"model": card.name, "fingerprint": encoder.fingerprint, "width": card.width, "licence": card.licence}
    about = {"views": views, "decoding": IMAGES, "passed_over": dict(passed_over), "zsderm": __version__}
    return {**facts, **about, "run": dict(run)}


def _write_npy(
    path: Path, describe: Callable[[], dict[str, Any]], width: int, batches: Iterator[_Batch]
) -> tuple[int, int]:
    count = failed = 0
    digests = RowDigests()
    beside = (path.with_suffix(".csv"), path.with_suffix(".json"))
    with (
        atomic_file(path) as rows,
        csv_file(beside[0], COLUMNS, mark=header_mark(COLUMNS)) as table,
        atomic_file(beside[1], mark=_MANIFEST_MARK) as manifest,
    ):  # the rows come last
        with rows.open("wb") as stream:
            _write_header(stream, (0, width))
            for names, batch in batches:
                features = np.where(batch.ok[:, None], batch.features, np.float32(np.nan))
                stream.write(features.tobytes())
                digests.update(features, names, [batch.errors.get(index, "") for index in range(len(names))])
                table.write_all([name, batch.errors.get(index, "")] for index, name in enumerate(names))
                count, failed = count + len(names), failed + len(batch.errors)
            stream.seek(0)
            _write_header(stream, (count, width))
        about = {**describe(), "images": count, "failed": failed, DIGESTS: digests.facts()}
        manifest.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return count, failed


def _write_header(stream: BinaryIO, shape: tuple[int, int]) -> None:
    """The header of a .npy file; numpy leaves room in it for the first number to grow."""
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _write_parquet(
    path: Path, describe: Callable[[], dict[str, Any]], width: int, batches: Iterator[_Batch]
) -> tuple[int, int]:
    import pyarrow as pa
    from pyarrow import parquet

    count = failed = 0
    vector = pa.list_(pa.float32(), width)
    schema = pa.schema([("image", pa.string()), ("embedding", vector), ("error", pa.string())])
    about = {name: fact for name, fact in describe().items() if name != "passed_over"}
    schema = schema.with_metadata({"zsderm": json.dumps(about)})
    with atomic_file(path) as draft, parquet.ParquetWriter(draft, schema, write_page_checksum=True) as writer:
        waiting: list[Any] = []
        for names, batch in batches:
            flat = pa.array(batch.features.ravel())
            rows = pa.FixedSizeListArray.from_arrays(flat, width, mask=pa.array(~batch.ok))
            errors = pa.array([batch.errors.get(index, "") for index in range(len(names))])
            waiting.append(pa.record_batch([pa.array(names), rows, errors], schema=schema))
            count, failed = count + len(names), failed + len(batch.errors)
            if sum(part.num_rows for part in waiting) >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(waiting).combine_chunks())
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting).combine_chunks())
        writer.add_key_value_metadata({PASSED_OVER: json.dumps(describe()["passed_over"])})  # only now known
    return count, failed


def _read_file(path: Path) -> StoredEmbeddings:
    try:
        stored = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_npy(path)
        check_rows(stored.encoder, stored.features, stored.images, stored.errors)
    except READ_ERRORS as error:
        reason = " ".join(str(error).split()).rstrip(".")  # pyarrow's have several lines
        raise InputError(f"cannot read embeddings from '{path}': {reason}. Make them with: zsderm embed") from error
    return stored


def _read_dataset(path: str | os.PathLike[str]) -> StoredEmbeddings:
    reader = PartReader(DatasetFolder.open_finished(path))
    images, errors = DatasetColumn(reader, lambda part: part[0]), DatasetColumn(reader, lambda part: part[2])
    return StoredEmbeddings(images, DatasetRows(reader), errors, reader.dataset.facts.encoder)


def _read_npy(path: Path) -> StoredEmbeddings:
    for beside, what in ((".json", "says which encoder made the rows"), (".csv", "names the images")):
        if not path.with_suffix(beside).is_file():
            raise ValueError(f"there is no '{path.with_suffix(beside).name}' beside it, which {what}")
    if not path.is_file():
        raise ValueError("it is no file")
    features = np.load(path, mmap_mode="r", allow_pickle=False)
    about = read_json_file(path.with_suffix(".json"))
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(lines, restval=""))
    if any(None in row for row in table):
        raise ValueError(f"a row of {path.with_suffix('.csv').name} has more cells than the header")
    if len(table) != len(features):
        raise ValueError(f"{len(features)} rows, but {len(table)} images in {path.with_suffix('.csv').name}")
    return StoredEmbeddings(
        [out_of_cell(row["image"]) for row in table], features, [out_of_cell(row["error"]) for row in table], about
    )


def _read_parquet(path: Path) -> StoredEmbeddings:
    from pyarrow import parquet

    if not path.is_file():
        raise ValueError("it is no file")
    table = parquet.read_table(path, page_checksum_verification=True)
    about = (table.schema.metadata or {}).get(b"zsderm")
    if about is None or not {"image", "embedding", "error"} <= set(table.column_names):
        raise ValueError("it was not written by zsderm")
    about = parse_json(about.decode("utf-8"))
    if not isinstance(about, dict) or type(about.get("width")) is not int or about["width"] < 1:
        raise ValueError("it does not say how wide its rows are")
    column = table["embedding"].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)  # without the rows that are null
    features = np.full((len(column), about["width"]), np.nan, np.float32)
    features[np.asarray(column.is_valid())] = flat.reshape(-1, about["width"])
    return StoredEmbeddings(table["image"].to_pylist(), features, table["error"].to_pylist(), about)
