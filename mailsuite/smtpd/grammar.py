"""Pure. The arguments of MAIL and RCPT: a path, then parameters (RFC 5321 §4.1.2).

What is inside the path is `message.parse_path`'s. Raises SyntaxRefused with the reply, nothing else.
"""

import re

from mailsuite.message import parse_path
from mailsuite.smtpd.reply import Reply, reply

MAX_PARAMETERS = 20

# The path ends at the first ">" outside a quoted string. No two alternatives begin alike, so
# matching takes linear time.
_PATH = re.compile(r'<(?:[^">]|"(?:[^"\\]|\\.)*")*>')
# esmtp-param; a value in UTF-8 is RFC 6531 §3.3's.
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\x80-\U0010ffff]+))?")


class SyntaxRefused(Exception):
    """The argument breaks the grammar; `reply` says so."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(answer.text)
        self.reply = answer


def refuse(status: str, text: str) -> SyntaxRefused:
    """A 501."""
    return SyntaxRefused(reply(501, status, text))


def split(keyword: str, argument: str, status: str) -> tuple[str, str]:
    """Split ``FROM:<path> parameters`` into the path, brackets included, and the parameters.

    `status` is the enhanced code for a bad path. Space after the colon, which the grammar forbids,
    is taken, since many programs send it and it can mean nothing else.
    """
    if argument[: len(keyword)].upper() != keyword:
        raise refuse("5.5.4", f"Syntax: {keyword}<address> [parameters]")
    rest = argument[len(keyword) :].lstrip(" ")
    found = _PATH.match(rest)
    if found is None:
        raise refuse(status, "Address must stand in angle brackets")
    parameters = rest[found.end() :]
    if parameters and not parameters.startswith(" "):
        raise refuse("5.5.4", "A space must stand between address and parameters")
    return found[0], parameters


def address_of(path: str, status: str) -> str:
    """The mailbox in a path, without brackets and source route; "" for ``<>``."""
    if path == "<>":
        return ""
    try:
        return str(parse_path(path))
    except ValueError as error:
        raise refuse(status, f"Bad address syntax: {ascii_text(str(error))}") from error


def parameters_of(text: str) -> dict[str, str | None]:
    """``BODY=8BITMIME SMTPUTF8`` as keywords in upper case and their values as they were written."""
    found: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise refuse("5.5.4", "Bad parameter syntax")
        keyword = match[1].upper()
        if keyword in found:
            raise refuse("5.5.4", f"Parameter {keyword} given twice")
        if len(found) >= MAX_PARAMETERS:
            raise refuse("5.5.4", "Too many parameters")
        found[keyword] = match[2]
    return found


def ascii_text(text: str) -> str:
    """Text that may stand in a reply to any client: printable ASCII, at most 200 characters."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:200])
