"""``zsderm pretrain answers``: fine-tuning of a vision-language model on questions and answers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.pretrain.run_options import log_the_run, run_options
from zsderm.optional_packages import requires


@click.command(cls=Command)
@run_options()
def answers(config: Path, data_root: Path | None, output: Path, overrides: dict[str, object]) -> None:
    """Fine-tune a model of the LLaVA family on questions and answers about photographs, with LoRA adapters.

    Conversations have the format of LLaVA: [{"id", "image", "conversations": [{"from": "human", "value":
    "<image> ..."}, {"from": "gpt", "value": "..."}]}]. Only the answers contribute to the loss. Conversations whose
    photograph is missing or damaged are left out and listed in dropped.csv. One line for each epoch is written to
    stderr. The folder of the adapter is written to stdout; use it with zsderm ask --model transformers:FOLDER.

    \b
    zsderm pretrain answers --config pretrain/configs/skinvl.yaml --set model=FOLDER --data-root DATA
    zsderm pretrain answers --config pretrain/configs/skinvl.yaml --set model=FOLDER --set batch_size=2 \\
        --set accumulate=8 --set gradient_checkpointing=true
    """
    with requires("zsderm[lora]", "fine-tuning"):
        training = import_module("zsderm.pretrain.answers.training")
    log_the_run()
    click.echo(training.run_answers(config, output, data_root, overrides))
