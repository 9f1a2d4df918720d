"""Documents in, a table of pairs out, with everything that was left out and a sheet to look it all through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsderm.atomic_files import refuse_others
from zsderm.csv_files import csv_file, header_mark
from zsderm.errors import PretrainingDataError
from zsderm.manifest_files import run_facts, versions, write_manifest
from zsderm.pretrain.pages import scan
from zsderm.pretrain.pages.corrections import Correction
from zsderm.pretrain.pages.modality import ModalityReader, modality_of
from zsderm.pretrain.pages.pairing import Dropped, Found, Pairing, pair
from zsderm.pretrain.pages.patients import without_patient
from zsderm.pretrain.pages.records import Document, read_document
from zsderm.table_files import read_cells

COLUMNS = (
    *("filename", "caption", "modality", "modality_score", "source", "page", "box", "figure", "letter", "side"),
    *("age", "sex", "flags", "credit"),
)
DROPPED_COLUMNS = ("filename", "source", "page", "box", "figure", "caption", "reason")
PAIRS, DROPPED, SHEET = "pairs.csv", "dropped.csv", "contact_sheet.html"
SAME, STRUCK, CORRECTED = "the same picture as", "struck out by hand", "corrected by hand"
_ARROW = re.compile(
    r"\b(?:arrow(?:head)?s?|asterisks?|pfeile?n?|flechas?|flèches?|frecc[ei]a?|setas?)\b|箭头", re.IGNORECASE
)
_FACE = re.compile(
    r"\b(?:faces?|facial|forehead|cheeks?|eyelids?|eyes?|nose|nasal|lips?|chin|perioral|periorbital|gesicht|wange|nase|stirn|"
    r"cara|mejilla|nariz|frente|visage|joue|nez|rosto|viso|guancia|naso)\b|面部|脸",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"\s*[(\[]?(?:(?:photo(?:graph)?s?|images?|slides?|figures?|picture)?\s?courtesy of|reproduced|reprinted|"
    r"adapted (?:from|with)|"
    r"with (?:kind )?permission|copyright|©|photo(?:graph)? by|credit:|source:)[^\n]*$",
    re.IGNORECASE,
)


@dataclass
class Collected:
    """What was written.

    Attributes:
        pairs: rows of the table of pairs.
        dropped: rows of the other table.
        reasons: how often each reason stands there; pictures like others count as one reason.
        modalities: how often each is in the pairs.
        documents: that were read.
    """

    pairs: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    documents: int = 0

    @property
    def reasons(self) -> Counter[str]:
        """Without numbers and names."""
        return Counter(_kind(row["reason"]) for row in self.dropped)

    @property
    def modalities(self) -> Counter[str]:
        """Of the pairs."""
        return Counter(row["modality"] for row in self.pairs)


def find_documents(source: Path) -> tuple[list[Document], list[tuple[str, str]]]:
    """The PDF files that a path names, and those that cannot be opened, with the reason.

    Args:
        source: a file, or a folder that is gone through with all below it.

    Raises:
        PretrainingDataError: there is no PDF file, or none that can be opened.
    """
    paths = [source]
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.suffix.lower() == ".pdf" and path.is_file())
        if not paths:
            raise PretrainingDataError(
                f"Expected PDF files in {source}, but there are none. Name a PDF file, or a folder that contains some."
            )
    found: dict[str, Document] = {}
    broken: list[tuple[str, str]] = []
    for path in paths:
        name = path.name if path == source else path.relative_to(source).as_posix()
        try:
            document = Document.of(path, name)
        except PretrainingDataError as error:
            if len(paths) == 1:
                raise
            broken.append((name, str(error).removeprefix(f"{path} ")))
            continue
        twin = next((one for one in found.values() if one.sha256 == document.sha256), None)
        if twin:
            broken.append((name, f"the same file as {twin.name}"))
        else:
            found[document.key] = document
    if not found:
        raise PretrainingDataError(
            f"None of the {len(paths)} PDF files in {source} can be opened; the first, {broken[0][0]}, {broken[0][1]}"
        )
    return list(found.values()), broken


def refuse_foreign(output: Path) -> None:
    """Refuse a folder in which other files have the names of what is written.

    Raises:
        SettingsError: such a file is there.
    """
    refuse_others(output / PAIRS, header_mark(COLUMNS))
    refuse_others(output / DROPPED, header_mark(DROPPED_COLUMNS))
    refuse_others(output / SHEET, re.compile(rb"<title>zsderm pages: "))


def corrected_in(output: Path) -> set[str]:
    """The pictures of an earlier run into a folder that a human has corrected or struck out."""
    found: set[str] = set()
    for name, column, said in ((PAIRS, "flags", CORRECTED), (DROPPED, "reason", STRUCK)):
        if (output / name).is_file():
            frame = read_cells(output / name)
            cells = zip(frame["filename"], frame[column], strict=True)
            found.update(str(file) for file, cell in cells if said in str(cell))
    return found


def collect(
    documents: Sequence[Document],
    broken: Iterable[tuple[str, str]],
    output: Path,
    reader: ModalityReader,
    *,
    corrections: Sequence[Correction] = (),
    language: str = "eng",
    command: str | None = None,
    advance: Callable[[int], None] = lambda pages: None,
) -> Collected:
    """Read documents, match captions to pictures, and write the tables.

    Args:
        documents: see `find_documents`.
        broken: names of files that cannot be opened, with the reason.
        output: the folder.
        reader: gives pictures their modality.
        corrections: what a human said of earlier runs; of one picture the last counts.
        language: of scanned pages, for Tesseract.
        command: the command line, for the manifest.
        advance: called with the number of pages that are done.

    Raises:
        PretrainingDataError: a correction names a picture that is not there.
        SettingsError: a place cannot be written.
    """
    result = Collected(documents=len(documents))
    result.dropped += [_dropped_row(name, Dropped(0, reason)) for name, reason in broken]
    habits = {}
    pages: Counter[str] = Counter()
    for document in documents:
        read_document(document, output, reader, language=language, advance=advance)
        pairing = pair(document, output)
        habits[document.name] = {"sides": pairing.habit, "learned_from": pairing.certain}
        pages.update(page.kind for page in document.read_pages(output))
        _add(result, document, pairing)
    _correct(result, {one.filename: one for one in corrections})
    _without_twins(result)
    _clean(output, result)
    with csv_file(output / PAIRS, COLUMNS, mark=header_mark(COLUMNS)) as writer:
        writer.write_all(result.pairs)
    with csv_file(output / DROPPED, DROPPED_COLUMNS, mark=header_mark(DROPPED_COLUMNS)) as writer:
        writer.write_all(result.dropped)
    facts = {
        "run": run_facts(command),
        "versions": versions(),
        "documents": [{"source": one.name, "sha256": one.sha256, "pages": one.pages} for one in documents],
        "pages": dict(pages),
        "tesseract": bool(scan.tesseract()),
        "captions_at": habits,
        "pairs": len(result.pairs),
        "modalities": dict(result.modalities),
        "dropped": dict(result.reasons.most_common()),
        "corrections": len({one.filename for one in corrections}),
        "note": "Figures and captions remain under the rights of their books. This tool grants no rights to them.",
    }
    write_manifest(output / PAIRS, facts)
    return result


def _add(result: Collected, document: Document, pairing: Pairing) -> None:
    result.pairs += [_row(document.name, one) for one in pairing.found]
    result.dropped += [_dropped_row(document.name, one) for one in pairing.dropped]


def _row(source: str, found: Found) -> dict[str, Any]:
    text, credit = _without_credit(found.caption)
    modality, score = modality_of(found.picture.modality, text)
    caption, patient = without_patient(text)
    flags = list(found.flags)
    if found.picture.drawn_over or _ARROW.search(caption):
        flags.append("arrow")
    if _FACE.search(caption):
        flags.append("face named")
    return {
        "filename": found.picture.filename,
        "caption": caption,
        "modality": modality,
        "modality_score": score,
        "source": source,
        "page": found.page,
        "box": _box_text(found.picture.box.rounded()),
        "figure": found.figure,
        "letter": found.letter,
        "side": found.side,
        "age": patient.age,
        "sex": patient.sex,
        "flags": "; ".join(flags),
        "credit": credit,
        "_digest": found.picture.digest,
    }


def _without_credit(text: str) -> tuple[str, str]:
    """A caption, and whose picture it is, if it says so at its end."""
    found = _CREDIT.search(text)
    if found is None or found.start() < 0.3 * len(text):
        return text, ""
    return text[: found.start()].rstrip(" ,;(["), found[0].strip(" ()[]")


def _dropped_row(source: str, dropped: Dropped) -> dict[str, Any]:
    box = dropped.picture.box.rounded() if dropped.picture else list(dropped.box)
    return {
        "filename": dropped.picture.filename if dropped.picture else "",
        "source": source,
        "page": dropped.page or "",
        "box": _box_text(box),
        "figure": dropped.figure,
        "caption": dropped.caption,
        "reason": dropped.reason,
        "_modality": dropped.picture.modality if dropped.picture else (),
        "_digest": dropped.picture.digest if dropped.picture else "",
    }


def _as_dropped(row: dict[str, Any], reason: str) -> dict[str, Any]:
    """A row of the pairs as one of what was left out."""
    return {**{name: row.get(name, "") for name in DROPPED_COLUMNS}, "reason": reason}


def _box_text(box: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in box)


def _correct(result: Collected, corrections: dict[str, Correction]) -> None:
    """Follow what a human said: strike out, change, or give a caption to a picture that had none.

    Raises:
        PretrainingDataError: a correction is of no picture of these documents.
    """
    named = {row["filename"] for row in (*result.pairs, *result.dropped)}
    strange = sorted(corrections.keys() - named)
    if strange:
        raise PretrainingDataError(
            f"Expected corrections of pictures in these documents, but {len(strange)} rows name others, such as "
            f"{strange[0]!r}. Use the corrections that were downloaded from the contact sheet of the same documents."
        )
    kept = []
    for row in result.pairs:
        said = corrections.get(row["filename"])
        if said and not said.keep:
            result.dropped.append(_as_dropped(row, STRUCK))
            continue
        kept.append(_changed(row, said) if said else row)
    still = []
    for row in result.dropped:
        said = corrections.get(row["filename"]) if row["filename"] and row["reason"] != STRUCK else None
        if said and said.keep and said.caption:
            modality, score = modality_of(row["_modality"], said.caption)
            empty = {name: row.get(name, "") for name in COLUMNS}
            kept.append(
                _changed({**empty, "modality": modality, "modality_score": score, "_digest": row["_digest"]}, said)
            )
        else:
            still.append(row)
    result.pairs, result.dropped = kept, still


def _changed(row: dict[str, Any], said: Correction) -> dict[str, Any]:
    flags = [flag for flag in str(row["flags"]).split("; ") if flag]
    changed = {**row, "caption": said.caption or row["caption"], "flags": "; ".join([*flags, CORRECTED])}
    if said.modality and said.modality != row["modality"]:
        changed.update(modality=said.modality, modality_score=1.0)
    return changed


def _without_twins(result: Collected) -> None:
    """Keep the first of pictures that are the same."""
    first: dict[str, str] = {}
    kept = []
    for row in result.pairs:
        twin = first.setdefault(row["_digest"], row["filename"])
        if twin == row["filename"]:
            kept.append(row)
        else:
            result.dropped.append(_as_dropped(row, f"{SAME} {twin}"))
    result.pairs = kept


def _clean(output: Path, result: Collected) -> None:
    """Remove the files of ornaments: one that is on every page has a file for each."""
    for row in result.dropped:
        if row["reason"].startswith("ornament") and row["filename"]:
            (output / row["filename"]).unlink(missing_ok=True)
            row["filename"] = ""


def _kind(reason: str) -> str:
    """A reason without numbers and names.

    >>> _kind("ornament, on 12 pages"), _kind("the same picture as a.jpg")
    ('ornament', 'the same picture as another')
    """
    if reason.startswith(SAME):
        return f"{SAME} another"
    if reason.startswith("the same file as"):
        return "the same file as another"
    return re.split(r", on \d|: ", reason)[0]


def shown_reasons(reasons: Counter[str]) -> Iterator[str]:
    """One line for each reason, the most frequent first."""
    return (f"{count}\t{reason}" for reason, count in reasons.most_common())
