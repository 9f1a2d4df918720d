"""A folder of explanations: one picture for each photograph, and one table of everything said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from zsderm.atomic_files import atomic_file, refuse_others
from zsderm.csv_files import JSON_ESCAPES
from zsderm.tasks.explanation.explain import Explanation

TABLE = "explanations.jsonl"
_TABLE_MARK = re.compile(rb'\A\{"image": .*"picture": ')
_PICTURE = re.compile(r"\d{4,}_.*\.png")
_PICTURE_MARK = re.compile(rb"\A\x89PNG.*Software\x00zsderm", re.DOTALL)


def written(explanations: Iterable[Explanation | None], folder: str | Path) -> Iterator[Explanation | None]:
    """Write each explanation as it passes, and hand it on unchanged, so that a report can take it next.

    Pictures are called 0001_mole.png after the place and the name of the photograph; the table is there when the last
    explanation has passed.

    Args:
        explanations: in the order of the photographs; None leaves a gap in the numbers.
        folder: made where it is missing; files that an earlier run has written there are replaced.

    Yields:
        The explanations, as they came.

    Raises:
        SettingsError: the folder cannot be written, or a file of ours would replace somebody else's.
    """
    folder = Path(folder)
    lines = []
    software = PngInfo()
    software.add_text("Software", "zsderm")
    for number, explanation in enumerate(explanations, start=1):
        if explanation is not None:
            name = f"{number:04d}_{_stem(explanation.image)}.png"
            with atomic_file(folder / name, mark=_PICTURE_MARK, durable=False) as draft:
                explanation.pair().save(draft, format="PNG", pnginfo=software)
            lines.append(json.dumps(record(explanation, name), ensure_ascii=False).translate(JSON_ESCAPES))
        yield explanation
    text = "".join(f"{line}\n" for line in lines)
    with atomic_file(folder / TABLE, mark=_TABLE_MARK) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def refuse_others_in(folder: Path) -> None:
    """Refuse a folder that holds files of somebody else under the names that `written` gives.

    Raises:
        SettingsError: there is one.
    """
    refuse_others(folder / TABLE, _TABLE_MARK)
    for file in folder.glob("*.png"):
        if _PICTURE.fullmatch(file.name):
            refuse_others(file, _PICTURE_MARK)


def record(explanation: Explanation, picture: str) -> dict[str, object]:
    """What an explanation says, ready for JSON.

    Args:
        explanation: of one photograph.
        picture: the file name of its picture.
    """
    x, y = explanation.heat.hottest
    return {
        "image": explanation.image,
        "picture": picture,
        "winner": explanation.winner,
        "runner_up": explanation.runner_up,
        "margin": round(explanation.margin, 4),
        "scale": round(explanation.scale, 4),
        "hottest": [round(x, 1), round(y, 1)],  # pixels of the photograph
        "evidence": [asdict(text) for text in explanation.evidence],
        "runner_up_evidence": [asdict(text) for text in explanation.runner_up_evidence],
    }


def _stem(name: str) -> str:
    """The file name without folders and suffix, in characters that every file system takes."""
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in Path(name).stem)
    return stem[:80] or "image"
