"""What tables say of the photographs of ``zsderm classify``: labels, groups, regions of the body; and their options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from zsderm.cli.help import IMAGES, option
from zsderm.cli.options import FILE, all_of, group_by_option, image_column_or_order_option

Called = TypeVar("Called", bound=Callable[..., object])

_options = all_of(
    option(
        "--labels",
        type=FILE,
        heading=IMAGES,
        help="A table with an image column and a column true_label, label or dx (a class name or code, or its index), "
        "for the report.",
    ),
    image_column_or_order_option,
    option(
        "--groups",
        "columns",
        multiple=True,
        metavar="COLUMN",
        heading=IMAGES,
        help="A column of --labels: the report has figures for each group, such as skin types. May be repeated.",
    ),
    option(
        "--cluster",
        metavar="COLUMN",
        heading=IMAGES,
        help="A column of --labels such as patient_id: intervals in the report draw patients, not images; none: "
        "images.  "
        "[default: patient_id or lesion_id]",
    ),
    group_by_option("--group-table", IMAGES),
    option(
        "--group-table",
        type=FILE,
        heading=IMAGES,
        help="A table with an image column and the column of --group-by.  [default: --labels]",
    ),
    option(
        "--regions",
        type=FILE,
        heading=IMAGES,
        help="A table with an image column and a column region (or site, localization, ...), so that sentences on a "
        "place can stand beside an answer.",
    ),
)


@dataclass(frozen=True)
class ImageTables:
    """What the options say of tables beside the photographs.

    Attributes:
        labels, columns, cluster: for the report: true classes, columns of groups, and of patients.
        image_column: names the images in all tables.
        group_by, group_table: what belongs together.
        regions: of the body.
    """

    labels: Path | None
    image_column: str | None
    columns: tuple[str, ...]
    cluster: str | None
    group_by: str | None
    group_table: Path | None
    regions: Path | None

    def check(self, output: Path | str | None, report: Path | None) -> None:
        """Refuse options that do not go together.

        Raises:
            UsageError: they do not.
        """
        if self.group_by is None and self.group_table is not None:
            raise click.UsageError("--group-table needs --group-by: the column that says what belongs together.")
        if self.group_by is not None and output is None and report is None:
            raise click.UsageError("--group-by needs --output or --report: groups are a table of their own.")
        if self.labels is not None and report is None and (self.group_by is None or self.group_table is not None):
            raise click.UsageError("--labels needs --report, which shows them. For figures: zsderm evaluate --labels.")
        if (self.columns or self.cluster is not None) and (self.labels is None or report is None):
            raise click.UsageError("--groups and --cluster need --report and --labels, whose columns they name.")

    def groups_of(self, images: Sequence[str]) -> list[str] | None:
        """The group of each image; None without groups.

        Raises:
            InputError, SettingsError: the table does not fit; see `zsderm.cli.image_groups.read_groups`.
        """
        if self.group_by is None:
            return None
        from zsderm.cli.image_groups import read_groups

        return read_groups(images, self.group_by, self.group_table or self.labels, self.image_column)

    def regions_of(self, images: Sequence[str]) -> list[str] | None:
        """The region of the body of each image; None without a table.

        Raises:
            InputError: the table does not fit; see `zsderm.cli.image_regions.read_regions`.
        """
        if self.regions is None:
            return None
        from zsderm.cli.image_regions import read_regions

        return read_regions(images, self.regions, self.image_column)

    def for_report(self, images: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
        """What the report is told of the images besides the answers.

        Raises:
            InputError: the labels do not fit; see `zsderm.cli.report_labels.report_labels`.
        """
        if self.labels is None:
            return {}
        from zsderm.cli.report_labels import report_labels

        return report_labels(images, self.labels, classes, self.image_column, self.columns, self.cluster)


def image_table_options(command: Called) -> Called:
    """The options of tables beside the photographs; the command gets ``tables``, an `ImageTables`."""

    @wraps(command)
    def wrapped(
        *arguments: Any,
        labels: Path | None,
        image_column: str | None,
        columns: tuple[str, ...],
        cluster: str | None,
        group_by: str | None,
        group_table: Path | None,
        regions: Path | None,
        **options: Any,
    ) -> object:
        tables = ImageTables(labels, image_column, columns, cluster, group_by, group_table, regions)
        return command(*arguments, tables=tables, **options)

    return cast("Called", _options(wrapped))
