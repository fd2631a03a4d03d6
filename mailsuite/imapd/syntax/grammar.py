"""Pure. The grammar of commands: RFC 3501 §9 and RFC 9051 §9, and the parser of each command.

A parser is a function `(cursor) -> tuple` that starts right after the command's name (so at SP or
at the end) and reads all arguments. It raises SyntaxProblem (answer BAD) or BadCharset, nothing
else. `parse` runs one and checks that the line ends there.

    tag, name, cursor = grammar.command_head(line.chunks)      # SyntaxProblem; see `tag_of`
    arguments = grammar.parse(grammar.fetch, cursor)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mailsuite.imapd.syntax.cursor import BadCharset, Cursor, SyntaxProblem
from mailsuite.imapd.syntax.receiver import Chunk

Parser: TypeAlias = Callable[[Cursor], tuple[object, ...]]
__all__ = ["BadCharset", "Cursor", "Parser", "SyntaxProblem"]


def tag_of(chunks: Sequence[Chunk]) -> str | None:
    """The command's tag, or None when there is no valid one (answer `* BAD`)."""


def command_head(chunks: Sequence[Chunk]) -> tuple[str, str, Cursor]:
    """Tag, upper-case name ("UID FETCH" for the UID forms) and a cursor behind the name."""


def parse(parser: Parser, cursor: Cursor) -> tuple[object, ...]:
    """Run `parser` and make sure that nothing is left on the line."""


def append_target(chunks: Sequence[Chunk]) -> str | None:
    """The mailbox of an APPEND whose literal has just been announced, or None if it is no APPEND
    (or not a well-formed one so far): lets the session check it before granting the literal."""


def no_arguments(cursor: Cursor) -> tuple[()]:
    """CAPABILITY, NOOP, LOGOUT, STARTTLS, CHECK, CLOSE, UNSELECT, EXPUNGE, IDLE, NAMESPACE."""


def login(cursor: Cursor) -> tuple[str, str]:
    """(user name, password)"""


def authenticate(cursor: Cursor) -> tuple[str, bytes | None]:
    """(mechanism upper-case, initial response decoded, b"" for `=`, None if not given)"""


def mailbox(cursor: Cursor) -> tuple[str]:
    """SELECT, EXAMINE, DELETE, SUBSCRIBE, UNSUBSCRIBE: (mailbox name,)"""


def create(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    r"""(mailbox name, special uses such as (r"\Sent",)) (RFC 6154 §3). A trailing "/" is kept."""


def rename(cursor: Cursor) -> tuple[str, str]:
    """(existing name, new name)"""


def status(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    """(mailbox name, items upper-case)"""


def list_(cursor: Cursor) -> tuple[object, ...]:
    """(ListArguments,)"""


def lsub(cursor: Cursor) -> tuple[str, str]:
    """(reference, pattern)"""


def append(cursor: Cursor) -> tuple[object, ...]:
    """(mailbox name, tuple of AppendMessage)"""


def id_(cursor: Cursor) -> tuple[tuple[tuple[str, str | None], ...] | None]:
    """(((field, value or None), ...) or None for NIL,)"""


def enable(cursor: Cursor) -> tuple[tuple[str, ...]]:
    """(capabilities upper-case,)"""


def fetch(cursor: Cursor) -> tuple[object, ...]:
    """FETCH, UID FETCH: (FetchArguments,)"""


def store(cursor: Cursor) -> tuple[object, ...]:
    """STORE, UID STORE: (StoreArguments,)"""


def search(cursor: Cursor) -> tuple[object, ...]:
    """SEARCH, UID SEARCH: (SearchArguments,)"""


def copy(cursor: Cursor) -> tuple[object, ...]:
    """COPY, MOVE and their UID forms: (SequenceSet, mailbox name)"""


def uid_expunge(cursor: Cursor) -> tuple[object, ...]:
    """UID EXPUNGE: (SequenceSet,)"""
