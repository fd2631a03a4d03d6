"""Pure. The grammar of commands: RFC 3501 §9 and RFC 9051 §9, and the parser of each command.

A parser is a function `(cursor) -> tuple` that starts right after the command's name (so at SP or
at the end) and reads all arguments. It raises SyntaxProblem (answer BAD), BadCharset or
BadMailboxName, nothing else. `parse` runs one and checks that the line ends there.

    tag, name, cursor = grammar.command_head(line.chunks)      # SyntaxProblem; see `tag_of`
    arguments = grammar.parse(grammar.fetch, cursor)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mailsuite.imapd.syntax.cursor import BadCharset, BadMailboxName, Cursor, SyntaxProblem
from mailsuite.imapd.syntax.model import LiteralTarget
from mailsuite.imapd.syntax.parse_acl import identified, setacl
from mailsuite.imapd.syntax.parse_esearch import esearch
from mailsuite.imapd.syntax.parse_fetch import fetch
from mailsuite.imapd.syntax.parse_mailbox import create, list_, lsub, mailbox, rename, status
from mailsuite.imapd.syntax.parse_message import (
    append,
    before_literal,
    copy,
    replace,
    store,
    uid_expunge,
)
from mailsuite.imapd.syntax.parse_metadata import getmetadata, setmetadata
from mailsuite.imapd.syntax.parse_notify import notify
from mailsuite.imapd.syntax.parse_quota import getquota, setquota
from mailsuite.imapd.syntax.parse_search import cancel_update, search
from mailsuite.imapd.syntax.parse_select import select
from mailsuite.imapd.syntax.parse_session import (
    authenticate,
    compress,
    decode_base64,
    enable,
    id_,
    login,
    no_arguments,
)
from mailsuite.imapd.syntax.parse_sort import sort, thread
from mailsuite.imapd.syntax.parse_url_auth import genurlauth, resetkey, urlfetch
from mailsuite.imapd.syntax.receiver import Chunk, tag_in

Parser: TypeAlias = Callable[[Cursor], tuple[object, ...]]

__all__ = [
    "BadCharset",
    "BadMailboxName",
    "Cursor",
    "Parser",
    "SyntaxProblem",
    "append",
    "authenticate",
    "cancel_update",
    "check_before_literal",
    "command_head",
    "compress",
    "copy",
    "create",
    "decode_base64",
    "enable",
    "esearch",
    "fetch",
    "genurlauth",
    "getmetadata",
    "getquota",
    "id_",
    "identified",
    "list_",
    "literal_target",
    "login",
    "lsub",
    "mailbox",
    "no_arguments",
    "notify",
    "parse",
    "rename",
    "replace",
    "resetkey",
    "search",
    "select",
    "setacl",
    "setmetadata",
    "setquota",
    "sort",
    "status",
    "store",
    "tag_of",
    "thread",
    "uid_expunge",
    "urlfetch",
]


def tag_of(chunks: Sequence[Chunk]) -> str | None:
    """The command's tag, or None when there is no valid one (answer `* BAD`)."""
    first = chunks[0] if chunks else b""
    return tag_in(first) if isinstance(first, bytes) else None


def command_head(
    chunks: Sequence[Chunk], *, utf8: bool = False, whole: bool = False
) -> tuple[str, str, Cursor]:
    """Tag, upper-case name ("UID FETCH" for the UID forms) and a cursor behind the name.

    `utf8`: the session has enabled UTF8=ACCEPT or IMAP4rev2; `whole`: no literal is still to come
    (see `Cursor`). SyntaxProblem.
    """
    tag = tag_of(chunks)
    if tag is None:
        raise SyntaxProblem("no valid tag")
    cursor = Cursor(chunks, utf8=utf8, whole=whole)
    cursor.skip(tag.encode("ascii"))
    if not cursor.skip(b" "):
        raise SyntaxProblem("a tag, but no command")
    name = cursor.word("a command")
    if name == "UID" and cursor.skip(b" "):
        name = "UID " + cursor.word("a command after UID")
    cursor.command = name[:40]
    return tag, name, cursor


def parse(parser: Parser, cursor: Cursor) -> tuple[object, ...]:
    """Run `parser` and make sure that nothing is left on the line."""
    arguments = parser(cursor)
    cursor.end()
    return arguments


def check_before_literal(parser: Parser, cursor: Cursor) -> None:
    """Raises SyntaxProblem where no octets of a literal that has been announced can help.

    What is wrong stands before it then, or nothing may follow. So the client is told at once, and
    keeps its octets (RFC 3501 §2.2.1, §7.5).
    """
    try:
        parser(cursor)
    except SyntaxProblem:
        if not cursor.at_end:
            raise
    except (BadCharset, BadMailboxName):
        return  # to be told when the command is there
    else:
        if cursor.at_end:
            raise cursor.problem("too many arguments: a literal")
        cursor.end()


def literal_target(chunks: Sequence[Chunk], *, utf8: bool = False) -> LiteralTarget | None:
    """Where a message's literal belongs that has just been announced; None for other literals.

    None also for a mailbox name that is the literal, and for a command that is malformed so far.
    Lets the session check the mailbox before it grants the literal.
    """
    try:
        _, _, cursor = command_head(chunks, utf8=utf8)
        return before_literal(cursor)
    except SyntaxProblem:
        return None
