"""Predictions as a command is given them: a table in a file, or the folder that ``zsderm classify -o FOLDER/`` wrote.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zsderm.errors import InputError
from zsderm.image_table import ImageTable
from zsderm.long_tables import CLASS, PROBABILITY, as_wide, probability_column
from zsderm.prediction_dataset import PredictionDataset

IMAGE, LABEL = "image", "label"


def read_predictions(path: Path | str, image_column: str | None) -> ImageTable:
    """Predictions with one row for each image.

    Args:
        path: a table, or the folder of a data set of answers; an address is that of such a folder. Of that the images,
            labels and probabilities are read, a part at a time; probabilities stay numbers, 4 bytes each.
        image_column: the column that names the images, if a table has it.

    Raises:
        InputError: a table that cannot be read, or a data set that is damaged or not finished.
    """
    if isinstance(path, Path) and not path.is_dir():
        return as_wide(ImageTable.read_another(path, image_column))
    dataset = PredictionDataset.open_finished(path)
    facts = dataset.facts
    shares = np.empty((facts.images, len(facts.classes)), np.float32)  # (N, C)
    texts: dict[str, list[str]] = {IMAGE: [], LABEL: []}
    for part, (images, labels, rows) in enumerate(_parts(dataset)):
        texts[IMAGE] += images
        texts[LABEL] += labels
        shares[facts.rows(part).start : facts.rows(part).stop] = rows
    columns = [probability_column(name) for name in facts.classes]
    named = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in texts.items()})
    return ImageTable(Path(path), pd.concat([named, pd.DataFrame(shares, columns=columns, copy=False)], axis=1), IMAGE)


@contextmanager
def addresses_whole(*places: Path | str | None) -> Iterator[None]:
    """Within, errors name addresses as they are: the path of a table takes two slashes for one."""
    try:
        yield
    except InputError as error:
        text = str(error)
        for place in places:
            if isinstance(place, str):
                text = text.replace(str(Path(place)), place)
        raise type(error)(text) from error


def _parts(dataset: PredictionDataset) -> Iterator[tuple[list[str], list[str], np.ndarray]]:
    """For each part the images, their labels, and (n, C) float32 probabilities."""
    classes = dataset.facts.classes
    if dataset.facts.layout == "wide":
        columns = [probability_column(name) for name in classes]
        for table in dataset.tables([IMAGE, LABEL, *columns]):
            rows = np.stack([_numbers(table[name]) for name in columns], axis=1)
            yield table[IMAGE].to_pylist(), table[LABEL].to_pylist(), rows
        return
    for table in dataset.tables([IMAGE, CLASS, PROBABILITY]):
        rows = _numbers(table[PROBABILITY]).reshape(-1, len(classes))
        known = ~np.isnan(rows).any(axis=1)
        best = np.where(known, np.nan_to_num(rows).argmax(axis=1), -1).tolist()
        yield table[IMAGE].to_pylist()[:: len(classes)], ["" if b < 0 else classes[b] for b in best], rows


def _numbers(column: Any) -> np.ndarray:
    """Float32; NaN where there is none."""
    return np.asarray(column.to_numpy(), np.float32)
