"""Pure. The arguments of MAIL and RCPT, and replies about them.

The grammar itself is `message`'s; here its errors become replies. Raises SyntaxRefused, nothing
else.
"""

import re

from mailsuite.message import (
    ParameterError,
    PathError,
    parse_mail_argument,
    parse_mailbox,
    parse_path,
    parse_rcpt_argument,
)
from mailsuite.smtpd.reply import Reply, reply

_BARE = re.compile(r'"(?:[^"\\]|\\.)*+"|[^<"@][^@]*+')
Arguments = tuple[str, dict[str, str | None]]


class SyntaxRefused(Exception):
    """The argument breaks the grammar; `reply` says so."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(answer.text)
        self.reply = answer


def refuse(status: str, text: str) -> SyntaxRefused:
    """A 501."""
    return SyntaxRefused(reply(501, status, text))


def mail_arguments(argument: str) -> Arguments:
    """``FROM:<path> parameters``: the address, "" for ``<>``, and the parameters by keyword."""
    try:
        return parse_mail_argument(argument)
    except ValueError as error:
        raise _refusal(error, "5.1.7", "MAIL FROM:<address> [parameters]") from error


def rcpt_arguments(argument: str) -> Arguments:
    """``TO:<path> parameters``: the address, "postmaster" without a domain among them."""
    try:
        return parse_rcpt_argument(argument)
    except ValueError as error:
        raise _refusal(error, "5.1.3", "RCPT TO:<address> [parameters]") from error


def verify_argument(argument: str, verb: str, domain: str) -> str:
    """An address with or without angle brackets, as VRFY and EXPN take it.

    A bare name is one of `domain`: local mailboxes MUST be recognized as user names (RFC 5321
    §3.5.1).
    """
    try:
        if _BARE.fullmatch(argument):
            return parse_mailbox(f"{argument}@{domain}")
        if argument.startswith("<"):
            return parse_path(argument, postmaster=True)
        return parse_mailbox(argument)
    except PathError as error:
        raise _refusal(error, "5.1.3", f"{verb} address") from error


def _refusal(error: ValueError, status: str, syntax: str) -> SyntaxRefused:
    if isinstance(error, PathError):
        return refuse(status, f"Bad address syntax: {ascii_text(str(error))}")
    if isinstance(error, ParameterError):
        return refuse("5.5.4", f"Bad parameter syntax: {ascii_text(str(error))}")
    return refuse("5.5.4", f"Syntax: {syntax}")


def ascii_text(text: str) -> str:
    """Text that may stand in a reply to any client: printable ASCII, at most 200 characters."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:200])
