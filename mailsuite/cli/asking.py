"""What commands about one account ask for: its address, and a password."""

import sys
from typing import Annotated

import typer

from mailsuite.base.errors import UserError

MAX_LINE = 1 << 16  # characters read for a password

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="Such as alice@example.org.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the standard input.")
]


def ask_password(address: str, from_input: bool, *, new: bool = True) -> str:
    """From the standard input or the terminal; a `new` one is typed twice."""
    if from_input:
        line = sys.stdin.readline(MAX_LINE)
        return line.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise UserError("no terminal to ask for the password at (see --password-stdin)")
    return str(typer.prompt(f"Password for {address}", hide_input=True, confirmation_prompt=new))
