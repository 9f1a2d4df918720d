"""Commands whose ``--help`` groups options under headings, and whose options may have had another name before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from zsderm.cli.command_line import remember
from zsderm.cli.places import refuse_shared_places
from zsderm.cli.talk import set_talk

IMAGES, CLASSES, OUTPUT = "Images", "Classes and method", "Output"
SPEED, RARE = "Speed and memory", "Rarely needed"
_LAST = (SPEED, RARE)  # these stand below all others
INTERRUPTED = 130  # exit code after Ctrl-C: 128 + SIGINT, as shells have it
TERMINATED = 143  # the same after SIGTERM; see `zsderm.cli.terminal.ends_when_asked`
KEPT = "zsderm.kept"  # key in the meta of a context: what stays of this command when it is stopped, as sentences
_PLAIN = 6  # options up to which a command needs no headings


class Option(click.Option):
    """An option that knows its heading, and the names that it had before.

    Args:
        declarations: as for `click.Option`.
        heading: the heading in ``--help``; options without one stand under "Options".
        old_names: names that still work, with a warning, and are not shown.
        settings: as for `click.Option`.
    """

    def __init__(self, *declarations: Any, heading: str = "", old_names: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*declarations, **settings)
        self.heading, self.old_names = heading, old_names

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The value; an empty one is refused, because as a path it would mean the folder one is in."""
        if value == "" or (isinstance(value, tuple | list) and "" in value):
            raise click.BadParameter("the value is empty. Write one, or leave the option away.", ctx, self)
        return super().type_cast_value(ctx, value)


def _talk(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        set_talk(context, **{str(option.name): True})


_TALK = [
    click.Option(
        [f"-{word[0]}", f"--{word}"], is_flag=True, is_eager=True, hidden=True, expose_value=False, callback=_talk
    )
    for word in ("verbose", "quiet")
]


class _Talking(click.Command):
    """Understands -v and -q, which ``zsderm --help`` explains, wherever they stand."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters, with those that no ``--help`` but the first shows."""
        return [*super().get_params(ctx), *_TALK]


class Command(_Talking):
    """A command that groups its options in ``--help``, if there are more than a few."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; an old name of an option is replaced by the new one, and stderr says so.

        Raises:
            UsageError: an output is an input of the same call, or another output; or -v and -q together.
        """
        remember(ctx, args)
        args = self._with_new_names(args)
        rest = super().parse_args(ctx, list(args))  # which it empties
        refuse_shared_places(self.params, ctx.params, args)
        return rest

    def _with_new_names(self, args: list[str]) -> list[str]:
        new = {old: option.opts[0] for option in self.params if isinstance(option, Option) for old in option.old_names}
        takes_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag and not option.count
            for name in (*option.opts, *getattr(option, "old_names", ()))
        }
        renamed, is_value, ended = [], False, False
        for argument in args:
            ended |= argument == "--" and not is_value
            renamed.append(argument if is_value or ended else _renamed(argument, new))
            is_value = not is_value and argument in takes_value  # the next one, whatever it looks like
        return renamed

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; when it is stopped, say what is kept and how to go on. Ctrl-C ends it with exit code 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(f"\nStopped. {stopped_text(ctx.params, ctx.meta.get(KEPT, ''))}", err=True)
            ctx.exit(INTERRUPTED)
        except SystemExit as end:
            if end.code == TERMINATED and KEPT in ctx.meta:
                click.echo(ctx.meta[KEPT], err=True)
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, heading by heading in the order of the code; --help ends the list."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        shown = [(option, record) for option in options if (record := option.get_help_record(ctx))]
        sections: dict[str, list[tuple[str, str]]] = {}
        for option, record in shown[:-1]:
            heading = getattr(option, "heading", "") if len(shown) - 1 > _PLAIN else ""
            sections.setdefault(heading or "Options", []).append(record)
        order = sorted(sections, key=lambda heading: _LAST.index(heading) + 1 if heading in _LAST else 0)
        for heading in order or ["Options"]:
            with formatter.section(heading):
                own = sections.get(heading, [])
                formatter.write_dl([*own, shown[-1][1]] if not order or heading == order[-1] else own)


class Group(_Talking, click.Group):
    """A group of commands that are a `Command` each."""

    command_class = Command


def stopped_text(parameters: Mapping[str, Any], kept: str = "") -> str:
    """What is kept of a command that was stopped, and how to go on.

    Args:
        parameters: of the command, by name.
        kept: what the command itself says of that; see `KEPT`.
    """
    text = "What was not complete was not written; files of before are untouched."
    if kept:
        return f"{text} {kept}"
    if (cache := parameters.get("cache_dir")) is None:
        return text
    if parameters.get("no_cache"):
        return f"{text} With --no-cache no embeddings are kept: the same command begins again."
    return f"{text} The embeddings made so far are kept in '{cache}': the same command goes on from there."


def option(*declarations: str, **settings: Any) -> Callable[[Any], Any]:
    """`click.option` that makes an `Option`."""
    return click.option(*declarations, cls=Option, **settings)


def _renamed(argument: str, new: dict[str, str]) -> str:
    name, equals, value = argument.partition("=")
    if name not in new:
        return argument
    click.echo(f"Warning: {name} is now called {new[name]}; the old name will be removed in a later version.", err=True)
    return f"{new[name]}{equals}{value}"
