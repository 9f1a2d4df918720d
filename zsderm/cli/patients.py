"""``zsderm patients``: which DICOM photographs show the same patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from platformdirs import user_data_path

from zsderm.cli.failures import end_strictly, print_failures
from zsderm.cli.help import IMAGES, OUTPUT, Command, option
from zsderm.cli.image_list import found_images
from zsderm.cli.options import FILE, follow_links_option, image_column_option, images_option, strict_option
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import say
from zsderm.cli.terminal import print_table
from zsderm.errors import ImageError, InputError
from zsderm.wording import agrees, counted

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "patient_id"  # as tables call it, so that other commands find it by themselves


@click.command(cls=Command)
@images_option
@follow_links_option
@option(
    "--labels",
    type=FILE,
    heading=IMAGES,
    help="A table with an image column. Its columns are copied to the output, beside the patients.",
)
@image_column_option
@option(
    "--salt",
    type=click.Path(dir_okay=False, path_type=Path),
    default=lambda: user_data_path("zsderm") / "patient-salt",
    show_default="a file in the user's data folder, created if it is missing",
    heading=IMAGES,
    help="A file with a secret. The same salt gives a patient the same hash. Protect the file like patient data.",
)
@option(
    "--output",
    "-o",
    type=ResultFile(".csv", ".jsonl", ".parquet"),
    heading=OUTPUT,
    help="The file for the table: .csv, .jsonl or .parquet. Without it, the table goes to stdout.",
)
@strict_option
def patients(
    images: tuple[str, ...],
    follow_links: bool,
    labels: Path | None,
    image_column: str | None,
    salt: Path,
    output: Path | None,
    strict: bool,
) -> None:
    """Write which DICOM photographs show the same patient, without naming the patient.

    The column patient_id holds a salted hash (HMAC-SHA-256) of the PatientID. It is empty for other formats and for
    files without a PatientID. Nothing else of a header is written. Other commands read the table with --labels and
    --group-table.

    \b
    zsderm patients dicom/ -o patients.csv
    zsderm classify dicom/ -c classes.txt --group-by patient_id --group-table patients.csv -o p.csv
    zsderm patients dicom/ --labels labels.csv -o known.csv
    zsderm evaluate --predictions p.csv --labels known.csv --classes classes.txt --cluster patient_id
    """
    from zsderm.cli.command_line import command_manifest
    from zsderm.images.patients import patient_of, salt_in
    from zsderm.manifest_files import refuse_others_manifest, write_with_manifest

    if output is not None and output.suffix.lower() == ".csv":
        refuse_others_manifest(output)
    found = found_images(images, follow_links)
    others = None if labels is None else _columns(found.names, labels, image_column)
    secret = salt_in(salt)
    names: list[str] = []
    errors: dict[str, str] = {}
    for image in found.names:
        try:
            names.append(patient_of(image, secret))
        except ImageError as error:
            names.append("")
            errors[image] = str(error)
    frame = _frame(found.names, names, errors, others)
    if output is not None:
        write_with_manifest(frame, output, {"manifest": command_manifest({"column": COLUMN}, None)})
        say(f"Written: {output}")
    else:
        print_table(frame)
    known = sum(map(bool, names))
    people = counted(len(set(names) - {""}), "patient")
    say(f"{counted(len(names), 'image')}; {known} {agrees(known, 'has', 'have')} a PatientID, of {people}")
    print_failures(errors, "the column error")
    if strict:
        end_strictly(len(errors))


def _columns(images: tuple[str, ...], labels: Path, image_column: str | None) -> pd.DataFrame:
    """The columns of a table beside the images, without the one that names them.

    Raises:
        InputError: the table does not fit, or has a column of patients already.
    """
    from zsderm.image_table import ImageTable

    table = ImageTable.read(labels, image_column).beside(images)
    if COLUMN in table.frame.columns:
        raise InputError(f"{labels} has a column {COLUMN!r} already. Rename it, or leave out --labels.")
    return table.frame.drop(columns=[name for name in (table.image_column, "error") if name in table.frame.columns])


def _frame(
    images: tuple[str, ...], names: list[str], errors: dict[str, str], others: pd.DataFrame | None
) -> pd.DataFrame:
    import pandas as pd

    from zsderm.file_names import printable

    frame = pd.DataFrame({"image": [printable(image) for image in images]})
    if others is not None:
        frame = pd.concat([frame, others.drop(columns="image", errors="ignore")], axis=1)
    return frame.assign(**{COLUMN: names, "error": [errors.get(image, "") for image in images]})
