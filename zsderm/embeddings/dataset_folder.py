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

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zsderm.embeddings.dataset_list import FACTS, LIST, Listed, listed_names, write_list
from zsderm.embeddings.image_features import ImageEmbeddings
from zsderm.embeddings.stored_rows import check_encoder, check_part
from zsderm.errors import InputError, SettingsError
from zsderm.file_names import printable
from zsderm.part_folders import PARQUET_MARK, PartFacts, PartFolder
from zsderm.places import folder_at
from zsderm.stored_json import fields_of, parse_json

PART_ROWS = 2048  # 4 MB of 512 columns: a minute or two of work on two processors, what a stopped run loses at most


@dataclass(frozen=True)
class DatasetFacts(PartFacts):
    """What is said of a data set of embeddings, and cannot change while it is made."""

    encoder: dict[str, Any]  # model, fingerprint, width, licence, views, decoding: what decides about the rows
    images: int  # N
    list_digest: str  # SHA-256 of the names, each followed by a zero byte
    part_rows: int  # n
    begun: dict[str, Any]  # the run that began it: command, time, commit, and zsderm's version
    passed_over: dict[str, int]  # what was left out in the folders that were gone through

    @property
    def part_length(self) -> int:
        """See `zsderm.part_folders.PartFacts`."""
        return self.part_rows


class DatasetFolder(PartFolder[DatasetFacts]):
    """A data set of embeddings that has been begun, and perhaps finished.

    Args:
        place: the folder: a path, or a `zsderm.places.Folder`.
        facts: what is said of it.
        finished: what is said once all parts are there: failed, ended (the run that finished it); else None.
    """

    MANIFEST = "embeddings.json"
    KIND = "zsderm embeddings"
    BESIDE = (LIST,)
    CALLED = "data set of embeddings"
    STRANGER = "it is no data set of zsderm"
    MADE_WITH = "Make it in a new folder with: zsderm embed IMAGE... -o FOLDER/"
    PART_OF = "of the data set"
    MADE_AGAIN = "Delete that file and run the command that made the data set again: only this part is made again."

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
        cls.refuse_others(folder)

        def settled(listed: Listed) -> bool:
            """Whether the list stays as it is: another run reads it, or it is of other images."""
            if not cls.exists(folder):
                return False
            return folder.has(LIST) or cls.open(folder).facts.list_digest != listed.digest

        if cls.exists(folder):
            before = cls.open(folder)  # refused before the images are gone through, which may take long
            before._refuse_encoder(encoder)
            if folder.has(LIST):
                list(before.images(()))  # whether the list is whole, as far as its last bytes say
        there = cls.exists(folder) and folder.has(LIST)
        listed = Listed.of(images) if there else write_list(folder, images, settled)
        if cls.exists(folder):
            begun = cls.open(folder)
            begun._refuse_encoder(encoder)
            begun._refuse_images(listed)
            return begun
        facts = DatasetFacts(
            dict(encoder), listed.images, listed.digest, part_rows, dict(run or {}), dict(passed_over or {})
        )
        made = cls(folder, facts)
        made._write_manifest()
        return made

    @classmethod
    def _checked(cls, said: dict[str, Any], finished: Any) -> DatasetFacts:
        facts = DatasetFacts(**fields_of(DatasetFacts, said))
        check_encoder(facts.encoder)
        if facts.images < 1 or facts.part_rows < 1:
            raise ValueError("it says that it has no images")
        if finished is not None and not (isinstance(finished, dict) and type(finished.get("failed")) is int):
            raise ValueError("it does not say how many images failed")
        return facts

    def _refuse_encoder(self, encoder: Mapping[str, Any]) -> None:
        names = {"fingerprint": "the encoder", "views": "the number of views", "decoding": "how images are decoded"}
        for name, what in names.items():
            if self.facts.encoder.get(name) != encoder.get(name):
                raise SettingsError(
                    f"'{self.folder}' holds embeddings that were made otherwise: {what} was "
                    f"{self.facts.encoder.get(name)}, and is {encoder.get(name)} now. Choose another folder."
                )

    def _refuse_images(self, listed: Listed) -> None:
        if (listed.images, listed.digest) != (self.facts.images, self.facts.list_digest):
            other = "other images, or another way of naming them (paths have to be written as they were)"
            now = other if listed.images == self.facts.images else f"{listed.images} images"
            raise SettingsError(
                f"'{self.folder}' was begun with {self.facts.images} images, and now there are {now}. Choose another "
                "folder; what is in the cache is not embedded again."
            )

    def images(self, parts: Sequence[int]) -> Iterator[list[str]]:
        """The names of the images of some parts in their order, a part at a time.

        Args:
            parts: in rising order; only what holds them is read.

        Raises:
            InputError: the list is not there, damaged, or another one; that is looked at even where there are no parts.
        """
        listed = Listed(self.facts.images, self.facts.list_digest)
        return listed_names(self.folder, listed, map(self.facts.rows, parts))

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
            "image": pa.array([printable(name) for name in names]),
            "ok": pa.array(found.ok),
            "error": pa.array([found.errors.get(row, "") for row in range(len(names))]),
            "embedding": pa.FixedSizeListArray.from_arrays(flat, width, mask=pa.array(~found.ok)),
        }
        about = {**self.facts.encoder, "list": self.facts.list_digest, "part": part, "failed": len(found.errors)}
        table = pa.table(columns, part_schema(width)).replace_schema_metadata({FACTS: json.dumps(about)})
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
            InputError: the part is not there, damaged, another part, or of another encoder or list.
        """
        from pyarrow import parquet

        try:
            with self.folder.open(self.part_name(part)) as stream:
                about = parse_json(parquet.read_schema(stream).metadata[FACTS].decode())
            self._check_origin(part, about)
            return int(about["failed"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise self.damaged(part, error) from error

    def damaged(self, part: int, error: Exception) -> InputError:
        """What to say of a part that cannot be read."""
        if isinstance(error, FileNotFoundError):
            return InputError(
                f"'{self.part_name(part)}' of the data set '{self.folder}' is missing. Run the command that made the "
                "data set again: only this part is made."
            )
        return super().damaged(part, error)

    def finish(self, failed: int, run: Mapping[str, Any]) -> None:
        """Say in the manifest that all parts are there.

        Args:
            failed: how many of the N images could not be read.
            run: which run finished it.
        """
        self.finished = {"failed": failed, "run": dict(run)}
        self._write_manifest()

    def _manifest_text(self, said: dict[str, Any]) -> str:
        if self.finished is not None:
            said["finished"] = dict(self.finished)
        return json.dumps(said, indent=2, ensure_ascii=False)

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
            self._check_origin(part, parse_json((table.schema.metadata or {})[FACTS].decode()))
            if table.num_rows != len(self.facts.rows(part)):
                raise ValueError(f"it has {table.num_rows} rows, not {len(self.facts.rows(part))}")
            if table.schema.remove_metadata() != part_schema(self.facts.encoder["width"]):
                raise ValueError("its columns are not those of embeddings")
            column = table["embedding"].combine_chunks()
            flat = column.flatten().to_numpy(zero_copy_only=False)  # without the rows that are null
            features = np.full((len(column), self.facts.encoder["width"]), np.nan, np.float32)
            features[np.asarray(column.is_valid())] = flat.reshape(-1, self.facts.encoder["width"])
            names, errors = table["image"].to_pylist(), table["error"].to_pylist()
            if table["ok"].to_pylist() != [not error for error in errors]:
                raise ValueError("its columns ok and error contradict each other")
            check_part(self.facts.rows(part).start, features, errors)
        except (OSError, ValueError, LookupError, TypeError, MemoryError) as error:
            raise self.damaged(part, error) from error
        return names, features, errors

    def _check_origin(self, part: int, about: Mapping[str, Any]) -> None:
        """Refuse a part that says that it is of something else.

        Raises:
            ValueError: of another encoder or list, or another part.
        """
        if {name: about.get(name) for name in self.facts.encoder} != self.facts.encoder:
            raise ValueError("it was made by another encoder, or otherwise")
        if about.get("list") != self.facts.list_digest:
            raise ValueError("it is of another list of images")
        if about.get("part") != part:
            raise ValueError("it is another part")


def part_schema(width: int) -> Any:
    """The columns of a part, as pyarrow has them."""
    import pyarrow as pa

    vector = pa.list_(pa.float32(), width)
    return pa.schema([("image", pa.string()), ("ok", pa.bool_()), ("error", pa.string()), ("embedding", vector)])
