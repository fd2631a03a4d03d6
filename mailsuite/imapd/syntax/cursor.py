"""Pure. The place in a command line where the grammar reads, and the tokens of RFC 9051 §9."""

from __future__ import annotations

from collections.abc import Sequence

from mailsuite.imapd.syntax.receiver import Chunk


class SyntaxProblem(Exception):
    """The command does not follow the grammar: answer BAD with this text."""


class BadCharset(Exception):
    """SEARCH in a charset that is not known: answer NO [BADCHARSET (...)] (RFC 9051 §7.1)."""

    supported: tuple[str, ...]


class Cursor:
    """Reads the chunks of one command, from left to right."""

    def __init__(self, chunks: Sequence[Chunk]) -> None: ...
