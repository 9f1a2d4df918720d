"""Links, commands and module names in the pages lead somewhere; no model is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from zsderm.cli import main

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (".", "docs", "examples", "notebooks", "knowledge_bases/*", "zsderm/weights/*")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md"))
SOURCES = sorted(
    path
    for room in ("zsderm", "pretrain", "benchmarks", "tests", "notebooks")
    for suffix in ("py", "ipynb", "yaml")
    for path in (ROOT / room).rglob(f"*.{suffix}")
)
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LONGEST = 350  # lines; a longer page is two pages. docs/cli.md is made from --help and may be as long as that


def _names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def _slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    return {_slug(line) for line in re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)}


def _commands(text: str) -> Iterator[str]:
    """Command lines of code blocks and of code in the prose, each on one line."""
    joined = re.sub(r"\\\n\s*", " ", text)
    yield from (line.strip() for line in joined.splitlines() if "`" not in line)
    yield from (" ".join(code.split()) for code in re.findall(r"`([^`]+)`", FENCE.sub("", joined)))


def _words(command: str) -> list[str]:
    """Words of the first command of a shell line, without variables before it."""
    found = []
    for word in shlex.split(command, comments=True):
        if word in {"|", ">", "&&", ";"}:
            break
        found.append(word)
    while found and re.match(r"^[A-Z_]+=", found[0]):
        del found[0]
    return found


def _mistakes(words: list[str]) -> list[str]:
    """What a command line of zsderm names that does not exist."""
    command: click.Command = main
    wrong, skip = [], False
    for word in words:
        options = {option: p for p in command.params for option in (*p.opts, *p.secondary_opts)}
        if skip:
            skip = False
        elif word.startswith("-"):
            name, _, value = word.partition("=")
            parameter = options.get(name)
            if parameter is None and name not in {"--help", "-h", "--version"}:
                wrong.append(name)
            skip = isinstance(parameter, click.Option) and not (parameter.is_flag or value)
        elif isinstance(command, click.Group) and word.islower():
            below = command.get_command(click.Context(command), word)
            if below is None:
                wrong.append(word)
                break
            command = below
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=_names(PAGES))
def test_every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text("utf-8")))
    for link in (link for link in links if "://" not in link):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in _anchors(target), (
            f"{link}: no such heading; there are {sorted(_anchors(target))}"
        )


@pytest.mark.parametrize("page", PAGES, ids=_names(PAGES))
def test_every_command_and_option_of_zsderm_exists(page: Path) -> None:
    lines = [line for line in _commands(page.read_text("utf-8")) if re.match(r"^([A-Z_]+=\S+ )*zsderm [a-z-]", line)]
    wrong = {line: found for line in lines if (found := _mistakes(_words(line)[1:]))}
    assert not wrong


def _options_of(source: Path, module: str) -> set[str]:
    """The options of the commands in a module, and those that its source names."""
    named = set(re.findall(r'"(--[a-z-]+)', source.read_text("utf-8")))
    commands = [value for value in vars(import_module(module)).values() if isinstance(value, click.Command)]
    return named | {name for command in commands for option in command.params for name in option.opts}


@pytest.mark.parametrize("page", PAGES, ids=_names(PAGES))
def test_every_module_that_is_run_exists_and_knows_the_options(page: Path) -> None:
    for line in _commands(page.read_text("utf-8")):
        for module in re.findall(r"-m (zsderm[a-z_.]*)(?![\w.])", line):
            spec = find_spec(module)
            assert spec is not None, f"{module} does not exist"
            if spec.submodule_search_locations is not None:
                spec = find_spec(f"{module}.__main__")
                assert spec is not None, f"{module} cannot be run"
            if "torchrun" not in line:
                known = _options_of(Path(str(spec.origin)), spec.name)
                unknown = [option for option in re.findall(r" (--[a-z-]+)", line) if option not in known]
                assert not unknown, f"{module} does not know {unknown}"


def test_every_page_of_docs_that_is_named_in_code_exists() -> None:
    named = {
        (str(path.relative_to(ROOT)), page)
        for path in (*SOURCES, *PAGES, ROOT / "Makefile")
        for page in re.findall(r"\bdocs/[\w/]+\.(?:md|json|png|svg)\b", path.read_text("utf-8"))
    }
    assert not [pair for pair in named if not (ROOT / pair[1]).exists()]


def test_every_page_is_in_the_index_and_none_is_too_long() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {page.name: len(page.read_text("utf-8").splitlines()) for page in (ROOT / "docs").glob("*.md")}
    assert not [name for name in pages if name != "README.md" and f"]({name})" not in index]
    assert not {name: lines for name, lines in pages.items() if lines > LONGEST and name != "cli.md"}


def test_mistakes_are_found() -> None:
    assert _mistakes(["classify", "--images", "--x", "--nothing"]) == ["--nothing"]
    assert _mistakes(["kb", "shwo", "dermatology"]) == ["shwo"]
    assert _mistakes(["pretrain", "--config", "run", "--dry-run", "--set", "a=b"]) == []
    assert _slug("Why this class: `classify --explain`") == "why-this-class-classify---explain"
