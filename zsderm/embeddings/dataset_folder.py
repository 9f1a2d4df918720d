"""A data set of embeddings on disk: a folder of Parquet files, each with the rows of a stretch of the list of images.

images.parquet        the list: one row an image, in the order of the input: image; path, where the name is not Unicode
embeddings.json       the encoder, how rows were made, how many images and parts there are; written after the list, so
                      that where it is the list is complete; once all parts are there, also how many images failed
part-000000.parquet   rows 0 to n - 1 of the list: image, ok, error, embedding (null where the image could not be read)
part-000001.parquet   rows n to 2n - 1, and so on

A part appears whole or not at all, and what is in it depends on the list and the encoder only: who makes a part again
makes the same. So a run that was stopped goes on with the parts that are missing, and several processes may share the
work without a word between them.

Letters: N images, D embedding width, n rows of a part.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from zsderm.embeddings.image_features import ImageEmbeddings
from zsderm.embeddings.stored_rows import check_encoder, check_part
from zsderm.errors import InputError, SettingsError
from zsderm.file_names import printable
from zsderm.places import Folder, folder_at
from zsderm.stored_json import fields_of, parse_json

MANIFEST, LIST = "embeddings.json", "images.parquet"
PART_ROWS = 2048  # 4 MB of 512 columns: a minute or two of work on two processors, what a stopped run loses at most
MARK = re.compile(rb'\A\{\s*"dataset": "zsderm embeddings"')
PARQUET_MARK = re.compile(rb"zsderm.*PAR1\Z", re.DOTALL)
_LIST_GROUP = 65_536  # names in a row group of the list
_LARGEST = 64 << 20  # bytes of a manifest
_FACTS = b"zsderm"  # key in the metadata of Parquet


@dataclass(frozen=True)
class DatasetFacts:
    """What is said of a data set of embeddings, and cannot change while it is made."""

    encoder: dict[str, Any]  # model, fingerprint, width, licence, views, decoding: what decides about the rows
    images: int  # N
    list_digest: str  # SHA-256 of the names, each followed by a zero byte
    part_rows: int  # n
    begun: dict[str, Any]  # the run that began it: command, time, commit, and zsderm's version
    passed_over: dict[str, int]  # what was left out in the folders that were gone through

    @property
    def parts(self) -> int:
        """How many parts hold N images."""
        return -(-self.images // self.part_rows)

    def rows(self, part: int) -> range:
        """Which rows of the list a part holds."""
        return range(part * self.part_rows, min((part + 1) * self.part_rows, self.images))


class DatasetFolder:
    """A data set of embeddings that has been begun, and perhaps finished.

    Args:
        place: the folder: a path, or a `zsderm.places.Folder`.
        facts: what is said of it.
        finished: what is said once all parts are there: failed, ended (the run that finished it); else None.
    """

    def __init__(self, place: Any, facts: DatasetFacts, finished: Mapping[str, Any] | None = None) -> None:
        self.folder: Folder = folder_at(place)
        self.facts = facts
        self.finished = finished

    @classmethod
    def exists(cls, place: Any) -> bool:
        """Whether a data set of embeddings has been begun at a place.

        Raises:
            OSError: nobody can say.
        """
        return folder_at(place).has(MANIFEST)

    @classmethod
    def begin(
        cls,
        place: Any,
        encoder: Mapping[str, Any],
        images: Iterable[str],
        *,
        part_rows: int = PART_ROWS,
        run: Mapping[str, Any] | None = None,
        passed_over: Mapping[str, int] | None = None,
    ) -> DatasetFolder:
        """Write the list and the manifest; or find them there, of the same images and encoder, from an earlier run.

        Args:
            place: a folder that is new or empty, or holds a data set of the same images and encoder.
            encoder: what decides about the rows: model, fingerprint, width, licence, views, decoding.
            images: N paths or addresses, gone through once.
            part_rows: n; a data set that has been begun keeps its own.
            run: which run begins it, as `zsderm.manifest_files.run_facts` says it.
            passed_over: what was left out in folders, counted while `images` is gone through.

        Raises:
            SettingsError: no images, something else is in the folder, or it is a data set of other images or of another
                encoder.
        """
        folder = folder_at(place)
        if part_rows < 1:
            raise SettingsError(f"Expected `part_rows` to be at least 1, but got {part_rows}.")
        if cls.exists(folder):
            return cls.open(folder)._same(encoder, images)
        if strange := next((name for name in folder.names() if name != LIST), None):
            raise SettingsError(
                f"expected '{folder}' to be new or empty, or a data set of embeddings, but it holds '{strange}'. "
                "Choose another place."
            )
        count, digest = _write_list(folder, images)
        if not count:
            raise SettingsError("Expected at least one image to embed, but got none.")
        facts = DatasetFacts(dict(encoder), count, digest, part_rows, dict(run or {}), dict(passed_over or {}))
        made = cls(folder, facts)
        made._write_manifest()
        return made

    @classmethod
    def open(cls, place: Any) -> DatasetFolder:
        """A data set that has been begun.

        Raises:
            InputError: there is none, or its manifest is damaged.
        """
        folder = folder_at(place)
        try:
            with folder.open(MANIFEST) as stream:
                content = stream.read(_LARGEST)
            said = parse_json(content.decode("utf-8"))
            if not isinstance(said, dict) or said.pop("dataset", "") != "zsderm embeddings":
                raise ValueError("it is no data set of zsderm")
            finished = said.pop("finished", None)
            facts = DatasetFacts(**fields_of(DatasetFacts, said))
            _check_facts(facts, finished)
        except (OSError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise InputError(
                f"cannot read the data set of embeddings '{folder}': {reason}. Make it with: zsderm embed"
            ) from error
        return cls(folder, facts, finished)

    def _same(self, encoder: Mapping[str, Any], images: Iterable[str]) -> DatasetFolder:
        """This one, if it is of an encoder and of images; the list is gone through, never kept."""
        names = {"fingerprint": "the encoder", "views": "the number of views", "decoding": "how images are decoded"}
        for name, what in names.items():
            if self.facts.encoder.get(name) != encoder.get(name):
                raise SettingsError(
                    f"'{self.folder}' holds embeddings that were made otherwise: {what} was "
                    f"{self.facts.encoder.get(name)}, and is {encoder.get(name)} now. Choose another folder."
                )
        count, digest = 0, hashlib.sha256()
        for name in images:
            digest.update(_of_list(name))
            count += 1
        if (count, digest.hexdigest()) != (self.facts.images, self.facts.list_digest):
            now = "other images" if count == self.facts.images else f"{count} images"
            raise SettingsError(
                f"'{self.folder}' was begun with {self.facts.images} images, and there are {now} now. Choose another "
                "folder; with --cache what was embedded before is not embedded again."
            )
        return self

    def part_name(self, part: int) -> str:
        """The file of a part."""
        return f"part-{part:06d}.parquet"

    def missing(self) -> list[int]:
        """The parts that are not there yet, in their order.

        Raises:
            OSError: the folder cannot be listed.
        """
        there = set(self.folder.names())
        return [part for part in range(self.facts.parts) if self.part_name(part) not in there]

    def images(self, parts: Sequence[int]) -> Iterator[list[str]]:
        """The names of the images of some parts in their order, a part at a time.

        Args:
            parts: in rising order; only the row groups of the list that hold them are read.
        """
        from pyarrow import parquet

        with self.folder.open(LIST) as stream, parquet.ParquetFile(stream, page_checksum_verification=True) as file:
            kept, kept_names = -1, []
            for part in parts:
                wanted: list[str] = []
                rows = self.facts.rows(part)
                for group in range(rows.start // _LIST_GROUP, (rows.stop - 1) // _LIST_GROUP + 1):
                    if group != kept:
                        kept, kept_names = group, _paths(file.read_row_group(group))
                    first = group * _LIST_GROUP
                    wanted += kept_names[max(0, rows.start - first) : rows.stop - first]
                yield wanted

    def write_part(self, part: int, names: Sequence[str], found: ImageEmbeddings) -> int:
        """Write a part; the same rows give the same bytes.

        Args:
            part: its number.
            names: n, of its images, as `images` gives them.
            found: their embeddings.

        Returns:
            How many of the images could not be read.

        Raises:
            SettingsError: it cannot be written.
            ValueError: not as many rows as the part has.
        """
        import pyarrow as pa
        from pyarrow import parquet

        if not len(names) == len(found.ok) == len(self.facts.rows(part)):
            raise ValueError(f"part {part} has {len(self.facts.rows(part))} rows, not {len(found.ok)}")
        width = self.facts.encoder["width"]
        flat = pa.array(np.ascontiguousarray(found.features, np.float32).ravel())
        columns = {
            "image": pa.array([printable(name) for name in names], pa.string()),
            "ok": pa.array(found.ok, pa.bool_()),
            "error": pa.array([found.errors.get(row, "") for row in range(len(names))], pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(flat, width, mask=pa.array(~found.ok)),
        }
        about = {**self.facts.encoder, "part": part, "parts": self.facts.parts, "failed": len(found.errors)}
        table = pa.table(columns).replace_schema_metadata({_FACTS: json.dumps(about)})
        with self.folder.written(self.part_name(part), PARQUET_MARK) as draft:
            # Embeddings are noise to a compressor; stored plainly they are read at the speed of the disk.
            parquet.write_table(
                table,
                draft,
                compression={"image": "zstd", "ok": "none", "error": "zstd", "embedding.list.element": "none"},
                use_dictionary=False,
                write_statistics=False,
                write_page_checksum=True,
            )
        return len(found.errors)

    def failed_in(self, part: int) -> int:
        """How many images of a part could not be read, as it says itself.

        Raises:
            InputError: the part is not there, or damaged.
        """
        from pyarrow import parquet

        try:
            with self.folder.open(self.part_name(part)) as stream:
                return int(parse_json(parquet.read_schema(stream).metadata[_FACTS].decode())["failed"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise self.damaged(part, error) from error

    def damaged(self, part: int, error: Exception) -> InputError:
        """What to say of a part that cannot be read."""
        reason = " ".join(str(error).split()).rstrip(".")
        return InputError(
            f"cannot read '{self.part_name(part)}' of the data set '{self.folder}': {reason}. Delete that file and run "
            "the command that made the data set again: only this part is made again."
        )

    def finish(self, failed: int, run: Mapping[str, Any]) -> None:
        """Say in the manifest that all parts are there.

        Args:
            failed: how many of the N images could not be read.
            run: which run finished it.
        """
        self.finished = {"failed": failed, "run": dict(run)}
        self._write_manifest()

    def _write_manifest(self) -> None:
        said: dict[str, Any] = {"dataset": "zsderm embeddings", **asdict(self.facts)}
        if self.finished is not None:
            said["finished"] = dict(self.finished)
        with self.folder.written(MANIFEST, MARK) as draft:
            draft.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def read_part(self, part: int) -> tuple[list[str], np.ndarray, list[str]]:
        """The rows of a part, held against what they have to be.

        Returns:
            n names; (n, D) float32 unit rows, NaN where the image could not be read; n reasons, empty where it could.

        Raises:
            InputError: it is not there, damaged, or of another encoder or list.
        """
        from pyarrow import parquet

        try:
            with self.folder.open(self.part_name(part)) as stream:
                table = parquet.read_table(stream, page_checksum_verification=True)
            about = parse_json((table.schema.metadata or {})[_FACTS].decode())
            if {name: about.get(name) for name in self.facts.encoder} != self.facts.encoder:
                raise ValueError("it was made by another encoder, or otherwise")
            if (about.get("part"), table.num_rows) != (part, len(self.facts.rows(part))):
                raise ValueError("it is another part")
            column = table["embedding"].combine_chunks()
            flat = column.flatten().to_numpy(zero_copy_only=False)  # without the rows that are null
            features = np.full((len(column), self.facts.encoder["width"]), np.nan, np.float32)
            features[np.asarray(column.is_valid())] = flat.reshape(-1, self.facts.encoder["width"])
            names, errors = table["image"].to_pylist(), table["error"].to_pylist()
            check_part(self.facts.rows(part).start, features, errors)
        except (OSError, ValueError, LookupError, TypeError, MemoryError) as error:
            raise self.damaged(part, error) from error
        return names, features, errors


def _check_facts(facts: DatasetFacts, finished: object) -> None:
    check_encoder(facts.encoder)
    if facts.images < 1 or facts.part_rows < 1:
        raise ValueError("it says that it has no images")
    if finished is not None and not (isinstance(finished, dict) and type(finished.get("failed")) is int):
        raise ValueError("it does not say how many images failed")


def _of_list(name: str) -> bytes:
    return os.fsencode(name) + b"\0"


def _paths(group: Any) -> list[str]:
    """The paths in a row group of the list, as the system opens them."""
    shown, raw = group["image"].to_pylist(), group["path"].to_pylist()
    return [name if path is None else os.fsdecode(path) for name, path in zip(shown, raw, strict=True)]


def _write_list(folder: Folder, images: Iterable[str]) -> tuple[int, str]:
    """Write the list of images; returns how many there are, and the digest of their names."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("image", pa.string()), ("path", pa.binary())]).with_metadata(
        {_FACTS: json.dumps({"list": "images"})}
    )
    count, digest, names = 0, hashlib.sha256(), iter(images)
    with folder.written(LIST, PARQUET_MARK) as draft:
        with parquet.ParquetWriter(draft, schema, compression="zstd", write_page_checksum=True) as writer:
            while group := list(islice(names, _LIST_GROUP)):
                for name in group:
                    digest.update(_of_list(name))
                shown = [printable(name) for name in group]
                raw = [None if name == text else os.fsencode(name) for name, text in zip(group, shown, strict=True)]
                writer.write_table(pa.table({"image": shown, "path": raw}, schema=schema), row_group_size=_LIST_GROUP)
                count += len(group)
        if not count:
            raise SettingsError("Expected at least one image to embed, but got none.")
    return count, digest.hexdigest()
