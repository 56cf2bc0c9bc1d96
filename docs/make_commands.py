"""Writes docs/commands.md from the help of every command. A test holds it current.

.venv/bin/python docs/make_commands.py
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from cloud_sync import cli as cloud
from edge_agent import cli as edge
from evidence import cli as evidence
from evidence.exits import EXIT_CODES_HELP

FILE = Path(__file__).with_name("commands.md")


def page() -> str:
    """The whole page."""
    parts = [
        "# Commands",
        "Written from the commands' own help by `docs/make_commands.py`.",
        "```text\n" + EXIT_CODES_HELP.strip() + "\n```",
    ]
    for parser in (*_edge_parsers(), cloud._parser(), evidence._parser()):  # noqa: SLF001 - its parser is what a command is
        parts += _describe(parser)
    return "\n\n".join(parts) + "\n"


def _edge_parsers() -> Iterator[argparse.ArgumentParser]:
    """`edge-agent` imports a command only when it is called: one parser a command, the others left out."""
    for name in edge.COMMANDS:
        parser = edge._parser([name])  # noqa: SLF001
        for action in _commands_of(parser):
            if action.choices is not None:
                yield dict(action.choices)[name]


def _describe(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {parser.prog}"
    if parser.description:
        yield from map(_paragraph, parser.description.strip().split("\n\n"))
    rows = [
        f"| {_name(action)} | {_help(parser, action)} |"
        for action in parser._actions  # noqa: SLF001 - argparse has no public way to ask
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)  # noqa: SLF001
    ]
    if rows:
        yield "\n".join(["| argument | meaning |", "| --- | --- |", *rows])
    for action in _commands_of(parser):
        for child in dict(action.choices or {}).values():
            yield from _describe(child)


def _paragraph(text: str) -> str:
    """Examples stay as they are, four places in; other text is one line."""
    return text if text.startswith("    ") else " ".join(text.split())


def _commands_of(parser: argparse.ArgumentParser) -> list["argparse._SubParsersAction[argparse.ArgumentParser]"]:
    return [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]  # noqa: SLF001


def _name(action: argparse.Action) -> str:
    value = action.metavar or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper())
    shown = value if isinstance(value, str) else " ".join(value)
    if not action.option_strings:
        return f"`{shown}`"
    return ", ".join(f"`{option}`" for option in action.option_strings) + ("" if action.nargs == 0 else f" `{shown}`")


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    told = parser._get_formatter()._expand_help(action) if action.help else ""  # noqa: SLF001
    return " ".join(told.split()).replace("|", "\\|") + (
        " (required)" if action.required and action.option_strings else ""
    )


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
