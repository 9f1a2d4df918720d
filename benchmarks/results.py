"""Result files: one JSON object a run, one a comparison; written whole or not at all, floats with six decimals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.datasets import cards
from zsderm.benchmarks.grid import METHODS
from zsderm.errors import InputError

LAYOUT = 1  # raise it when files of before can no longer be read
MARK = re.compile(rb'\A\{\s*"layout": ')  # of a result file, see `zsderm.atomic_files.refuse_others`
DECIMALS = 6  # more would differ from machine to machine

Result = dict[str, Any]


def read_result(path: Path) -> Result:
    """One result file.

    Raises:
        InputError: it is no JSON object, or of another layout.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"expected a result of zsderm benchmark in {path}, but cannot read it: {error}") from error
    if not isinstance(content, dict) or content.get("layout") != LAYOUT:
        raise InputError(f"expected a result of zsderm benchmark (layout {LAYOUT}) in {path}; run it again")
    return content


def read_results(folder: Path, kind: str = "run") -> list[Result]:
    """All results of one kind in a folder, ordered from the simplest method to the complete one.

    Args:
        folder: where `zsderm benchmark --output` wrote.
        kind: "run", "comparison" (of the methods of one model) or "models" (of the models under one method).

    Raises:
        InputError: the folder holds no run, or a result that cannot be read. Other JSON files are passed over.
    """
    found = [read_result(path) for path in sorted(folder.glob("*.json")) if _is_ours(path)]
    if not any(result["kind"] == "run" for result in found):
        raise InputError(f"expected results in {folder}, but it holds none; zsderm benchmark --output writes them")
    return sorted((result for result in found if result["kind"] == kind), key=_place)


def details(runs: Sequence[Result]) -> list[Result]:
    """The run of the whole method, or of the one nearest to it, on each data set with each model, at its defaults."""
    last = {(run["config"]["title"], run["config"]["model"]): run for run in sorted(runs, key=_place)}
    for run in sorted(runs, key=_place):
        if run["config"]["variant"] == run["config"]["method"]:
            last[run["config"]["title"], run["config"]["model"]] = run
    return sorted(last.values(), key=_place)


def with_unknown(grouping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The figures of each group of a result, then "unknown": those of the images whose group nobody wrote down."""
    of_unknown = grouping.get("of_unknown")  # earlier results lack it
    return {**grouping["groups"], **({"unknown": of_unknown} if of_unknown else {})}


def _place(result: Result) -> tuple[Any, ...]:
    """Where a result stands: sets as in the cards, every wording first, then plainest method and default prior."""
    config = result["config"]
    sets, methods = list(cards()), list(METHODS)
    return (
        sets.index(config["dataset"].lower()) if config["dataset"].lower() in sets else len(sets),
        config["title"],
        config["encoder"],
        config.get("wording", ""),
        methods.index(config["method"]) if config.get("method") in methods else len(methods),
        config.get("prior", "") not in ("", "auto"),
        config.get("prior", ""),
        config.get("retrieval", ""),
        config.get("k") or 0,  # a number: 4 before 16; first the default, which is not in the name
        config.get("features", ""),
        config.get("shots") or math.inf,  # of a probe: 1, 4, 16, and all of them last
        config.get("views") or 0,
        config.get("variant", ""),
    )


def _is_ours(path: Path) -> bool:
    """Whether a file begins as our results do; one that cannot be read is for `read_result` to say."""
    try:
        with path.open("rb") as file:
            return bool(MARK.match(file.read(64)))
    except OSError:
        return True


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write one result, with the layout."""
    text = json.dumps(_plain({"layout": LAYOUT, **result}), indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_file(path, mark=MARK) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """The value as JSON has it: rounded floats, None for NaN, lists for tuples."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DECIMALS)
    return value
