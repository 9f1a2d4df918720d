"""``zsderm pretrain``: hand a configuration file to the pretraining room."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Group
from zsderm.cli.pretrain.answers import answers
from zsderm.cli.pretrain.average import average
from zsderm.cli.pretrain.data import pack, validate
from zsderm.cli.pretrain.extract import extract
from zsderm.cli.pretrain.home import home
from zsderm.cli.pretrain.narratives import narratives
from zsderm.cli.pretrain.pages import pages
from zsderm.cli.pretrain.publish import publish
from zsderm.cli.pretrain.questions import questions
from zsderm.cli.pretrain.run_options import log_the_run, run_options
from zsderm.cli.pretrain.stories import stories
from zsderm.cli.pretrain.supervised import supervised
from zsderm.optional_packages import requires


@click.group(cls=Group, invoke_without_command=True)
@run_options(required=False)
@click.option("--dry-run", is_flag=True, help="Print what the run would need; load neither data nor weights.")
@click.pass_context
def pretrain(
    context: click.Context,
    *,
    config: Path | None,
    data_root: Path | None,
    output: Path | None,
    overrides: dict[str, object],
    dry_run: bool,
) -> None:
    """Train an encoder from a configuration file.

    One line for each epoch goes to stderr. The folder of the encoder goes to stdout; use it with --model
    local-dir:FOLDER. For several processes: torchrun --nproc-per-node 8 -m zsderm.pretrain, with the same options.

    \b
    zsderm pretrain --config pretrain/configs/mini.yaml --data-root DATA
    zsderm pretrain --config pretrain/configs/mini.yaml --data-root DATA --set epochs=1 --output runs/trial
    zsderm pretrain extract --captions captions.csv --output multi_aspect.csv
    zsderm pretrain --config pretrain/configs/make_vitb16.yaml --dry-run --set micro_batch=256
    zsderm pretrain --config pretrain/configs/mini.yaml --set model_cfg.vision_cfg.image_size=192
    zsderm pretrain validate --config pretrain/configs/mini.yaml --data-root DATA
    """
    if context.invoked_subcommand:
        return  # the options belong to training; the commands below have their own
    # Not `required=True` on the options: click would then demand them of the commands below as well.
    for name, value in (("config", config), ("data_root", data_root)):
        if value is None and not (dry_run and name == "data_root"):
            parameter = next(option for option in context.command.params if option.name == name)
            raise click.MissingParameter(ctx=context, param=parameter)
    assert config is not None and output is not None
    with requires("zsderm[pretrain]", "pretraining"):
        if dry_run:
            settings = import_module("zsderm.pretrain.config").read_config(config, overrides)
            import_module("zsderm.pretrain.named_things").check_names(settings)
            for line in import_module("zsderm.pretrain.estimate").estimate(settings).lines():
                click.echo(line)
            return
        train = import_module("zsderm.pretrain.train")
    first = os.environ.get("RANK", "0") == "0"  # torchrun numbers its processes; one of them is enough to talk
    log_the_run(first=first)
    encoder = train.run(config, output, data_root, overrides)
    if first:
        click.echo(encoder)


_BEFORE = (pages, extract, questions, validate, pack)
for command in (*_BEFORE, average, home, publish, stories, narratives, answers, supervised):
    pretrain.add_command(command)
