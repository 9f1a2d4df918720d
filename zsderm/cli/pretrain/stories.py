"""``zsderm pretrain stories``: what patients answered, put into words."""

from __future__ import annotations

from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.options import image_column_option
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import say
from zsderm.wording import counted


@click.command(cls=Command)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    required=True,
    type=ResultFile(".jsonl", ".csv", ".tsv", ".parquet"),
    help="The table of stories to write: .jsonl, .csv, .tsv or .parquet.",
)
@click.option("--seed", default=0, show_default=True, help="The seed: the same one gives the same stories.")
@image_column_option
def stories(table: Path, output: Path, seed: int, image_column: str | None) -> None:
    """Put the answers of patients in TABLE into words: a story for each image, as patients write them.

    TABLE has a column of images and some of the columns itch, grew, hurt, changed, bleed and elevation (True, False,
    UNK), age and region, as PAD-UFES-20 has. No other column goes into a story, not even the label. Answers are told in
    many ways, with typing errors, and some are left out. The photographs of one lesion get one story.

    The result has the columns image, case, narrative, source, known, told, unknown, and label, split and patient_id
    where TABLE has them.

    \b
    zsderm pretrain stories PAD/index.csv --output stories.jsonl --seed 0
    """
    from zsderm.narratives.questionnaire import patient_stories
    from zsderm.table_files import write_table

    found = patient_stories(table, seed, image_column)
    write_table(found, output)
    words = sum(len(story.split()) for story in found["narrative"]) / max(1, len(found))
    say(f"{counted(len(found), 'story', 'stories')}, {words:.0f} words each on average")
    click.echo(output)
