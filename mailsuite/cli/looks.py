"""How `--help` looks: paragraphs are filled to the terminal's width, and a switch shows no value.

`typer` keeps the line breaks of a docstring beyond its first paragraph, and writes `<bool>` beside
an option that takes no value.
"""

import inspect
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mailsuite.cli import output


class Command(TyperCommand):
    """A command whose switches look like switches."""

    def get_help(self, ctx: Any) -> str:
        """The text, also printed by `--help`."""
        _plain(self, ctx)
        with output.writing():
            return super().get_help(ctx)


class Group(TyperGroup):
    """The same for a family of commands."""

    def get_help(self, ctx: Any) -> str:
        """The text, also printed by `--help`."""
        _plain(self, ctx)
        with output.writing():
            return super().get_help(ctx)


def arrange(app: typer.Typer) -> None:
    """Give all commands below `app` these looks."""
    app.info.cls = Group
    for command in app.registered_commands:
        command.cls = Command
        if command.callback is not None and command.callback.__doc__ is not None:
            paragraphs = inspect.cleandoc(command.callback.__doc__).split("\n\n")
            command.help = "\n\n".join(" ".join(each.split()) for each in paragraphs)
    for family in app.registered_groups:
        if family.typer_instance is not None:
            family.cls = Group
            arrange(family.typer_instance)


def _plain(command: TyperCommand | TyperGroup, ctx: Any) -> None:
    for option in command.get_params(ctx):
        if getattr(option, "is_flag", False) and option.metavar is None:
            option.metavar = ""
