"""``zsderm pretrain answers``: a vision-language model fine-tuned on questions and answers."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.options import FILE, data_root_option
from zsderm.cli.parameters import Setting
from zsderm.cli.talk import is_quiet
from zsderm.optional_packages import requires


@click.command(cls=Command)
@click.option("--config", type=FILE, required=True, help="The configuration of a run (YAML).")
@data_root_option()
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="runs/NAME-OF-CONFIG",
    help="The folder of the run. A run that was stopped continues where it was.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    type=Setting(),
    help="Change one setting of the configuration. May be repeated.",
)
def answers(
    config: Path, data_root: Path | None, output: Path | None, overrides: tuple[tuple[str, object], ...]
) -> None:
    """Fine-tune a model of the LLaVA family on questions and answers about photographs, by adapters (LoRA).

    Conversations have the form of LLaVA: [{"id", "image", "conversations": [{"from": "human", "value": "<image> ..."},
    {"from": "gpt", "value": "..."}]}]. Only answers are learned. Conversations without their photograph are left out,
    see dropped.csv. One line for each epoch goes to stderr. The folder of the adapter goes to stdout; use it with
    zsderm ask --model transformers:FOLDER.

    \b
    zsderm pretrain answers --config pretrain/configs/skinvl.yaml --set model=FOLDER --data-root DATA
    zsderm pretrain answers --config pretrain/configs/skinvl.yaml --set model=FOLDER --set batch_size=2 \\
        --set accumulate=8 --set gradient_checkpointing=true
    """
    with requires("zsderm[lora]", "fine-tuning"):
        training = import_module("zsderm.pretrain.answers.training")
    level = logging.WARNING if is_quiet() else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for client in ("httpx", "httpx2"):  # one line for each request to the hub
        logging.getLogger(client).setLevel(logging.WARNING)
    click.echo(training.run_answers(config, output or Path("runs") / config.stem, data_root, dict(overrides)))
