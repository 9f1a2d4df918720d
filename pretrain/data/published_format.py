"""One row of a table in the published MAKE format, as eleven texts.

Which captions exist is told by their texts; the mask columns may switch off more, never less. Cells are parsed as JSON
or as Python literals, never run.

The tables of Derm1M-AgentAug (arXiv 2512.03445) have the same columns and `ontology_label` besides. It is no caption
and no `label`: its names are those of another ontology than the knowledge base's. It stays with the row, so that
shards carry it, and training does not read it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from zsderm.errors import PretrainingDataError
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE, SUB_CAPTIONS
from zsderm.table_files import UNKNOWN_WORDS

CAPTION_COLUMNS = ("truncated_caption", "caption")  # the first that is filled
SUB_CAPTION_COLUMNS = tuple(f"subcaption_{n}" for n in range(1, SUB_CAPTIONS + 1))
# The order of the published data and code. The published documentation has the last two the other way round.
KNOWLEDGE_MASK = ("caption", "ontology_caption", "visual_concept_caption")
TEXT_COLUMNS = (*KNOWLEDGE_MASK, *SUB_CAPTION_COLUMNS)
LONGEST_MASK = 1000  # characters; a cell beyond that is no list of eight, and is not parsed

Cells = Mapping[str, Any]  # column -> cell: texts, or lists where Parquet and JSON have them


def captions_of(cells: Cells) -> tuple[tuple[str, ...], list[str]]:
    """The captions of one row of the published format, and what contradicts itself in it.

    Args:
        cells: the row.

    Returns:
        `CAPTIONS_PER_IMAGE` texts, empty where a caption is missing or masked; and a sentence for each problem.
    """
    caption = next((text for column in CAPTION_COLUMNS if (text := text_of(cells.get(column)))), "")
    others = [text_of(cells.get(column)) for column in TEXT_COLUMNS[1:]]
    texts, problems = [caption, *others], []
    if not any(column in cells for column in (*CAPTION_COLUMNS, *TEXT_COLUMNS)):
        problems.append(f"there is no column with captions. The columns are: {', '.join(cells)}.")
    for column, span in (("knowledge_masks", slice(0, 3)), ("sub_caption_mask", slice(3, CAPTIONS_PER_IMAGE))):
        try:
            mask = _mask(cells.get(column), column, span.stop - span.start)
        except PretrainingDataError as broken:
            problems.append(str(broken))
            continue
        if mask is None:
            continue
        if reason := _contradiction(mask, texts[span], column):
            problems.append(reason)
        texts[span] = [text if value else "" for value, text in zip(mask, texts[span], strict=True)]
    return tuple(texts), problems


def text_of(cell: object) -> str:
    """A cell as one line of text, empty where there is nothing."""
    # An empty cell comes as "nan" or "None" out of some tables; that is a missing caption, not a word.
    text = "" if cell is None else " ".join(str(cell).split())
    if text.lower() in UNKNOWN_WORDS:
        return ""
    # Half of a surrogate pair, which JSON can write, is no character: no tokenizer takes it and no file.
    return text.encode("utf-8", "replace").decode("utf-8")


def _mask(cell: object, column: str, count: int) -> Sequence[int] | None:
    """The values of a mask cell, None for an empty one."""
    parsed = _parsed(cell) if isinstance(cell, str) else cell
    if parsed is None or parsed == "":
        return None
    values = list(parsed) if isinstance(parsed, list | tuple) else None
    if values is None or len(values) != count or any(value not in (0, 1) for value in values):
        raise PretrainingDataError(f"expected {column} to be a list of {count} values of 0 or 1, but got {cell!r:.80}.")
    return [int(value) for value in values]


def _parsed(cell: str) -> object:
    """A cell as JSON or as a Python literal; "" for an empty one, and the cell itself where it is neither."""
    text = text_of(cell)
    if not text or len(text) > LONGEST_MASK:
        return text and [text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return [text]


def _contradiction(mask: Sequence[int], texts: Sequence[str], column: str) -> str:
    if not any(value and not text for value, text in zip(mask, texts, strict=True)):
        return ""
    reason = f"{column} marks an empty text as present. Set it to 0 or fill the text."
    if column == "knowledge_masks":
        swapped = (mask[0], mask[2], mask[1])
        if not any(value and not text for value, text in zip(swapped, texts, strict=True)):
            reason += (
                f" Its order here is {', '.join(KNOWLEDGE_MASK)}, as in the published data; the cell fits the order of "
                "the published documentation, with the last two swapped. Swap them, or leave the column out."
            )
    return reason
