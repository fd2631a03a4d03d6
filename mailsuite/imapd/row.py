"""What the table knows of a command and of a capability. The session obeys it.

The states are those of RFC 3501 §3; the rules for EXPUNGE those of §5.5 and §7.4.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Any

from mailsuite.imapd.reply import Reply
from mailsuite.imapd.syntax.grammar import Parser
from mailsuite.imapd.syntax.receiver import LiteralAnnounced
from mailsuite.store import TempMessage

if TYPE_CHECKING:
    from mailsuite.imapd.session import Session


class State(IntFlag):
    """A session's state; masks of them say where a command is allowed."""

    NOT_AUTHENTICATED = 1
    AUTHENTICATED = 2
    SELECTED = 4
    LOGOUT = 8


ANY = State.NOT_AUTHENTICATED | State.AUTHENTICATED | State.SELECTED
SIGNED_IN = State.AUTHENTICATED | State.SELECTED

_NUMBERED = {"FETCH", "STORE", "SEARCH", "SORT", "THREAD", "COPY", "MOVE", "REPLACE"}

Handler = Callable[..., Awaitable[Reply | None]]
"""`async handler(session, *arguments)`: arguments are what the row's parser yields. It returns the
reply, or None when it has answered by itself (STARTTLS, which must answer before the handshake)."""

Admit = Callable[["Session", LiteralAnnounced], Awaitable[TempMessage]]


@dataclass(frozen=True, slots=True)
class Row:
    """One command.

    name          upper-case, "UID FETCH" for the UID forms
    parser        reads its arguments
    handler       does it
    states        where it is allowed
    uses_numbers  it takes message sequence numbers: while it runs, the client must not be told of
                  expunged messages, for its numbers would shift (RFC 3501 §7.4.1)
    writes        it changes the selected mailbox: refused after EXAMINE
    try_create    a missing mailbox is one that the client is invited to create
    rights        on the selected mailbox, without which it is refused (RFC 4314 §4)
    long          it may take its time: the client is told of its progress (RFC 9585)
    admit         asked when a large literal is announced: gives the sink that takes it, or raises
                  a Refusal before its octets are sent
    """

    name: str
    parser: Parser
    handler: Handler
    states: State
    uses_numbers: bool = False
    writes: bool = False
    try_create: bool = False
    rights: str = ""
    long: bool = False
    admit: Admit | None = None

    @property
    def takes_numbers(self) -> bool:
        """There are message sequence numbers in it or in its answer (RFC 9586 §3.2)."""
        return self.name in _NUMBERED


@dataclass(frozen=True, slots=True)
class Capability:
    """One capability: when it is announced, and whether ENABLE can switch it on (RFC 5161)."""

    name: str
    when: Callable[[Session], Any]
    can_enable: bool = False
    value: Callable[[Session], object] | None = None

    def shown(self, session: Session) -> str:
        """As it is announced: NAME or NAME=VALUE."""
        return self.name if self.value is None else f"{self.name}={self.value(session)}"
