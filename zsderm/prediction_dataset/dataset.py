"""Answers as a data set on disk: a folder of Parquet files, each with the answers for a stretch of the images.

_predictions.json     what the answers were made of, and how they are laid out; once all parts are there, also what is
                      counted of them
part-000000.parquet   the answers for images 0 to n - 1, with the columns that a table of `zsderm classify` has
part-000001.parquet   those for images n to 2n - 1, and so on

A part appears whole or not at all, and what is in it depends only on what the answers were made of. So a run that was
stopped goes on with the parts that are missing. What begins with "_" is passed over by programs that read a folder of
Parquet files as one table: pandas, polars, pyarrow, DuckDB and Spark.

Letters: N images, n of a part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from zsderm.errors import SettingsError
from zsderm.part_folders import PARQUET_MARK, PartFolder
from zsderm.prediction_dataset.counts import LEARNED_FROM, AnswerCounts
from zsderm.prediction_dataset.facts import AnswerFacts, check_facts
from zsderm.predictions import Predictions
from zsderm.stored_json import fields_of, parse_json
from zsderm.table_files import FACTS_KEY, json_text

_COUNTS_KEY = b"zsderm_counts"  # of the metadata of a part, beside those that every Parquet file of zsderm has


class PredictionDataset(PartFolder[AnswerFacts]):
    """A data set of answers that has been begun, and perhaps finished.

    Args:
        place: the folder: a path, or a `zsderm.places.Folder`.
        facts: what is said of it.
        finished: what is said once all parts are there: counts, manifest, ended (the run that finished it); else None.
    """

    MANIFEST = "_predictions.json"
    KIND = "zsderm predictions"
    CALLED = "data set of answers"
    STRANGER = "it is no data set of answers of zsderm"
    MADE_WITH = "Make it with: zsderm classify -o FOLDER/"
    PART_OF = "in"
    MADE_AGAIN = "Delete this file, and run the command again that began the data set: it is made again"

    @classmethod
    def begin(cls, place: Any, facts: AnswerFacts) -> PredictionDataset:
        """Write the manifest; or find it there, of the same answers, from an earlier run, which keeps its n.

        Raises:
            SettingsError: something else is in the folder, or answers that were made otherwise.
            InputError: its manifest is damaged.
        """
        cls.refuse_others(place)
        if cls.exists(place):
            found = cls.open(place)
            found._refuse_others_answers(facts)
            return found
        made = cls(place, facts)
        made._write_manifest()
        return made

    @classmethod
    def _checked(cls, said: dict[str, Any], finished: Any) -> AnswerFacts:
        facts = AnswerFacts(**fields_of(AnswerFacts, said))
        check_facts(facts, finished)
        return facts

    @property
    def counts(self) -> AnswerCounts:
        """What is counted of all answers, once all parts are there."""
        return AnswerCounts.from_dict((self.finished or {}).get("counts", {}))

    @property
    def method(self) -> str:
        """The method really used, once all parts are there."""
        return str((self.finished or {}).get("method", ""))

    @property
    def prior(self) -> str:
        """The class prior really used, once all parts are there."""
        return str((self.finished or {}).get("prior", ""))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the answers, once all parts are there."""
        return tuple((self.finished or {}).get("manifest", {}).get("notes", ()))

    @property
    def refinement(self) -> str:
        """What the refinement did and why, see `zsderm.Predictions.refinement`; once all parts are there."""
        manifest = (self.finished or {}).get("manifest", {})
        return str((manifest.get("refinement") or {}).get("summary", ""))

    def write_part(self, part: int, answers: Iterable[Predictions], proxies: str) -> AnswerCounts:
        """Write a part, a row group for each stretch of answers.

        Args:
            part: its number.
            answers: n in all, a stretch at a time.
            proxies: digest of what answered.

        Returns:
            What is counted of them.

        Raises:
            SettingsError: it cannot be written.
            ValueError: not as many answers as the part has.
        """
        import pyarrow as pa
        from pyarrow import parquet

        counts, writer = AnswerCounts(), None
        with self.folder.written(self.part_name(part), PARQUET_MARK) as draft:
            try:
                for predictions in answers:
                    frame = predictions.to_frame(self.facts.top_k, self.facts.layout)
                    table = pa.Table.from_pandas(frame, preserve_index=False)
                    if writer is None:
                        about = {FACTS_KEY: json_text(self._about(part, predictions, proxies)).encode()}
                        schema = table.schema.with_metadata({**(table.schema.metadata or {}), **about})
                        writer = parquet.ParquetWriter(draft, schema, write_page_checksum=True)
                    writer.write_table(table.cast(writer.schema), row_group_size=len(table))
                    counts += AnswerCounts.of(predictions)
                if counts.images != len(self.facts.rows(part)) or writer is None:
                    raise ValueError(f"part {part} has {len(self.facts.rows(part))} images, not {counts.images}")
                writer.add_key_value_metadata({_COUNTS_KEY: json_text(counts.to_dict()).encode()})
            finally:
                if writer is not None:
                    writer.close()
        return counts

    def _about(self, part: int, predictions: Predictions, proxies: str) -> dict[str, Any]:
        """What a part says of itself before its rows, from its first answers."""
        manifest = {key: told for key, told in predictions.manifest.items() if key != LEARNED_FROM}
        said = {"part": part, "parts": self.facts.parts, "of": self.facts.key, "proxies": proxies}
        how = {"method": predictions.method, "prior": predictions.prior}
        return {**said, **how, "classes": self.facts.classes, "manifest": manifest}

    def part_facts(self, part: int) -> dict[str, Any]:
        """What a part says of itself: counts, proxies, classes and manifest.

        Raises:
            InputError: it is not there, damaged, or of another data set.
        """
        from pyarrow import parquet

        try:
            with self.folder.open(self.part_name(part)) as stream:
                found = parquet.read_metadata(stream)
            about = parse_json((found.metadata or {})[FACTS_KEY].decode())
            if about.get("of") != self.facts.key or about.get("part") != part:
                raise ValueError("it is of another run, or another part")
            about["counts"] = AnswerCounts.from_dict(parse_json(found.metadata[_COUNTS_KEY].decode()))
            rows = len(self.facts.rows(part)) * (1 if self.facts.layout == "wide" else len(self.facts.classes))
            if found.num_rows != rows or about["counts"].images != len(self.facts.rows(part)):
                raise ValueError("it has another number of rows")
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise self.damaged(part, error) from error
        return dict(about)

    def finish(
        self, manifest: Callable[[Mapping[str, Any], AnswerCounts], dict[str, Any]], run: Mapping[str, Any]
    ) -> None:
        """Say that all parts are there; each of them is looked at, in its facts.

        Args:
            manifest: gives the manifest of all answers, from that of the first part and what is counted of all.
            run: which finished it.

        Raises:
            InputError: a part is missing, damaged, of another run, or was answered by other proxies.
        """
        counts, first = AnswerCounts(), self.part_facts(0)
        for part in range(self.facts.parts):
            about = self.part_facts(part)
            if about["proxies"] != first["proxies"]:
                raise self.damaged(part, ValueError("other proxies answered in it than in the first part"))
            counts += about["counts"]
        said = manifest(first["manifest"], counts)
        how = {name: first[name] for name in ("method", "prior")}
        self.finished = {**how, "counts": counts.to_dict(), "manifest": said, "ended": dict(run)}
        self._write_manifest()

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The answers as Arrow tables, a part at a time in the order of the images.

        Args:
            columns: which of them; None for all.

        Raises:
            InputError: a part is not there, damaged or of another run, or lacks a column.
        """
        from pyarrow import parquet

        for part in range(self.facts.parts):
            self.part_facts(part)
            try:
                with (
                    self.folder.open(self.part_name(part)) as stream,
                    parquet.ParquetFile(stream, page_checksum_verification=True) as file,
                ):
                    found = file.read(columns)
                if columns is not None and found.column_names != list(columns):
                    raise ValueError(f"it lacks a column of {', '.join(columns)}")
            except (OSError, ValueError, LookupError, TypeError, MemoryError) as error:
                raise self.damaged(part, error) from error
            yield found

    def columns(self) -> list[str]:
        """The names of the columns.

        Raises:
            InputError: the first part cannot be read.
        """
        from pyarrow import parquet

        try:
            with self.folder.open(self.part_name(0)) as stream:
                return list(parquet.read_schema(stream).names)
        except (OSError, ValueError) as error:
            raise self.damaged(0, error) from error

    def _manifest_text(self, said: dict[str, Any]) -> str:
        return json_text({**said, "finished": self.finished}, indent=1)

    def _refuse_others_answers(self, facts: AnswerFacts) -> None:
        before, now = ({**asdict(one), **one.made_of} for one in (self.facts, facts))
        for name in ("classes", "images", *facts.made_of, *self.facts.made_of, "layout", "top_k"):
            was, given = (json.loads(json_text(one.get(name))) for one in (before, now))
            if was != given:
                raise SettingsError(
                    f"'{self.folder}' holds answers that were made otherwise: {name.replace('_', ' ')} was "
                    f"{_shown(was)}, and is {_shown(given)} now. Choose another folder."
                )


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
