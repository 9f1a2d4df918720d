"""A folder of explanations: one picture for each photograph, and one table of everything said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from zsderm.atomic_files import atomic_file
from zsderm.file_names import printable
from zsderm.tasks.explanation.explain import Explanation

TABLE = "explanations.jsonl"


def written(explanations: Iterable[Explanation | None], folder: str | Path) -> Iterator[Explanation | None]:
    """Write each explanation as it passes, and hand it on unchanged, so that a report can take it next.

    Pictures are called 0001_mole.png after the place and the name of the photograph; the table is there when the last
    explanation has passed.

    Args:
        explanations: in the order of the photographs; None leaves a gap in the numbers.
        folder: made where it is missing; files of the same names are replaced.

    Yields:
        The explanations, as they came.

    Raises:
        SettingsError: the folder cannot be written.
    """
    folder = Path(folder)
    lines = []
    for number, explanation in enumerate(explanations, start=1):
        if explanation is not None:
            name = f"{number:04d}_{_stem(explanation.image)}.png"
            with atomic_file(folder / name) as draft:
                explanation.pair().save(draft, format="PNG")
            lines.append(json.dumps(record(explanation, name), ensure_ascii=False))
        yield explanation
    text = "".join(f"{line}\n" for line in lines)
    with atomic_file(folder / TABLE) as draft:
        draft.write_text(text, encoding="utf-8")


def record(explanation: Explanation, picture: str) -> dict[str, object]:
    """What an explanation says, ready for JSON.

    Args:
        explanation: of one photograph.
        picture: the file name of its picture.
    """
    x, y = explanation.heat.hottest
    return {
        "image": printable(explanation.image),
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
