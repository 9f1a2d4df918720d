"""What a table of labels tells the report: true classes, groups such as skin types, and the patients of the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zsderm.cli.image_groups import drawn_column
from zsderm.cli.prediction_tables import groups_in, labels_in
from zsderm.image_table import ImageTable


def report_labels(
    images: Sequence[str],
    path: Path,
    classes: Sequence[str],
    image_column: str | None,
    groups: Sequence[str] = (),
    cluster: str | None = None,
) -> dict[str, Any]:
    """The arguments of `zsderm.report.write_report` that a table of labels gives.

    Args:
        images: N names.
        path: a table with an image column, a column of classes and those that are named.
        classes: C names.
        image_column: the column that names the images, where it has no usual name.
        groups: columns to have figures for each group of.
        cluster: the column of patients; see `drawn_column`.

    Raises:
        InputError: a column is missing, or a label is no class; see `labels_in`.
    """
    table = ImageTable.read(path, image_column, required=False).beside(images)
    by = {column: groups_in(table, column).tolist() for column in groups}
    patients = drawn_column(table, cluster)
    return {
        "true": labels_in(table, classes),
        "by": by,
        "clusters": table.ids(patients) if patients else None,
        "clustered_by": patients,
        "columns": table.other_columns(),
    }
