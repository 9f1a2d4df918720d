"""The command line: one file a command, loaded only when that command runs.

This is the one room with lazy imports: ``zsderm --help`` answers without torch, open_clip or pandas.
Data goes to stdout, talk goes to stderr. A user's mistake ends with exit code 1 and one sentence, wrong usage with 2,
and a defect keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Any

import click

from zsderm import __version__
from zsderm.cli.help import INTERRUPTED
from zsderm.cli.talk import end_talk, set_talk
from zsderm.cli.terminal import ends_when_asked, forget_stdout, harmless_streams, said_by_system
from zsderm.errors import ZsdermError, ZsdermWarning
from zsderm.harmless_text import harmless

_COMMANDS = {  # name: what `zsderm --help` says, so that listing the commands imports none of them
    "classify": "Name the most likely disease in each photograph.",
    "evaluate": "Compare predictions with the true labels.",
    "calibrate": "Learn from labelled photographs how reliable the answers are.",
    "kb": "List, search, check and make knowledge bases.",
    "benchmark": "Measure models and methods on labelled images.",
    "probe": "Measure a linear probe: a logistic regression on the features of a frozen encoder.",
    "annotate": "Score which visual concepts each photograph shows.",
    "ask": "Answer questions about photographs with a vision-language model, or with visual concepts.",
    "retrieve": "Find the photographs of a folder that are most like a text or another photograph.",
    "audit": "Look for shared photographs and patients, likely label errors and off-topic pictures.",
    "embed": "Write the embedding of each photograph to a file.",
    "patients": "Write which DICOM photographs show the same patient, without naming the patient.",
    "export": "Write an encoder whose image tower runs faster on a processor, and compare it with the original.",
    "models": "List encoders, and show what is known about one of them.",
    "serve": "Run a service on this machine, with a web page and an HTTP interface.",
    "pretrain": "Train an encoder from a configuration file.",
    "doctor": "Check this installation, and say how to repair it.",
}

_COMPLETE = "_ZSDERM_COMPLETE"


class OrderedGroup(click.Group):
    """A group that imports a command when it runs, and shows the house's errors and warnings as one line each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The command names, in the order a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command ``cmd_name``, or None when there is no such command."""
        if cmd_name not in _COMMANDS:
            return None
        return getattr(import_module(f"zsderm.cli.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program, with streams that take any text; see `zsderm.cli.terminal`."""
        if _COMPLETE in os.environ:  # a shell asks for completions, which click writes as bytes
            return super().main(*args, **extra)
        with harmless_streams(), ends_when_asked():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a :class:`ZsdermError`, or what the system refuses, becomes one sentence and exit code 1.

        The texts of the warnings that were shown are collected in ``ctx.obj``, so that no command says them again.
        """
        shown = ctx.obj = set()
        ctx.color = True  # nothing is stripped from what is said: a name with control characters is written out instead

        def show(message: Warning | str, *where: object, **more: object) -> None:
            # One line: the place in the code that warned helps nobody who did not write it.
            text = " ".join(str(message).split())
            if text not in shown:
                shown.add(text)
                click.echo(f"Warning: {harmless(text)}", err=True)  # a progress bar may stand in for stderr

        with warnings.catch_warnings():
            if not ctx.params["verbose"]:
                warnings.simplefilter("ignore")
            warnings.simplefilter("always", ZsdermWarning)
            warnings.showwarning = show
            try:
                try:
                    return super().invoke(ctx)
                except KeyboardInterrupt:  # in what is no `zsderm.cli.help.Command`, or before one runs
                    click.echo("\nStopped.", err=True)
                    ctx.exit(INTERRUPTED)
                finally:
                    end_talk()
                    if sys.stdout is not None:
                        sys.stdout.flush()  # here a full disk is still a sentence
            except ZsdermError as error:
                raise click.ClickException(harmless(str(error))) from error
            except MemoryError as error:
                raise click.ClickException("the memory of this machine is used up") from error
            except BrokenPipeError:  # who reads has seen enough, such as head: that is no mistake
                forget_stdout()
                return None
            except OSError as error:
                if (sentence := said_by_system(error)) is None:
                    raise
                raise click.ClickException(harmless(sentence)) from error


@click.group(cls=OrderedGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Say on stderr what is loaded, from where, and how long it takes; show every warning. May stand anywhere.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but warnings and errors. May stand anywhere.")
@click.version_option(__version__, prog_name="zsderm")
@click.pass_context
def main(context: click.Context, verbose: bool, quiet: bool) -> None:
    """Classify skin photographs without training, by what a knowledge base says they look like.

    \b
    zsderm classify photos/ -c "melanoma, nevus, bcc" --report report.html
    zsderm kb list
    zsderm doctor

    Research software, not a medical device.
    """
    set_talk(context, verbose=verbose, quiet=quiet)
