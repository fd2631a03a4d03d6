"""How a command ends: OK, NO or BAD, with a response code and a text.

A handler returns a `Reply` or raises `No` or `Bad`; only the session writes it. The store's errors
become response codes here, and nowhere else (RFC 3501 §7.1, RFC 5530, RFC 9051 §7.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from mailsuite.store import (
    CannotChange,
    HasChildren,
    InvalidName,
    LimitReached,
    MailboxExists,
    MessageGone,
    NoSuchMailbox,
    OverQuota,
    StoreError,
    StoreUnavailable,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a command. `text` "" stands for "NAME completed"; `code` without brackets."""

    text: str = ""
    code: str = ""
    condition: str = "OK"


OK = Reply()


class Refusal(Exception):
    """A command that does not succeed."""

    condition = "NO"

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.reply = Reply(text, code, self.condition)


class No(Refusal):
    """The command was understood and failed."""


class Bad(Refusal):
    """The command makes no sense: syntax, or not in this state."""

    condition = "BAD"


UNKNOWN_CTE = Reply("The encoding of a part is not known", "UNKNOWN-CTE", "NO")


def uid_required() -> Bad:
    """After ENABLE UIDONLY (RFC 9586 §3.2)."""
    return Bad("Message numbers cannot be used any more", "UIDREQUIRED")


HIGHESTMODSEQ = "HIGHESTMODSEQ"
"""The code; the session adds the value that holds when it answers (RFC 7162 §3.2.7)."""

EXPUNGE_ISSUED = Reply("Some of the messages have been deleted and expunged", "EXPUNGEISSUED", "NO")


def from_store(error: StoreError, *, try_create: bool) -> Reply:
    """The reply for an error of the store.

    `try_create`: the command would succeed if the client made the mailbox first, as APPEND, COPY
    and MOVE would (RFC 3501 §6.3.11, §6.4.7).
    """
    match error:
        case NoSuchMailbox():
            code = "TRYCREATE" if try_create else "NONEXISTENT"
            return Reply("No such mailbox", code, "NO")
        case MailboxExists():
            return Reply("Mailbox exists already", "ALREADYEXISTS", "NO")
        case InvalidName():
            return Reply("No mailbox can have this name", "CANNOT", "NO")
        case HasChildren():
            return Reply("There are mailboxes below it", "HASCHILDREN", "NO")
        case CannotChange():
            return Reply("This cannot be done", "CANNOT", "NO")
        case MessageGone():
            return EXPUNGE_ISSUED
        case OverQuota():
            return Reply("The quota does not allow so much", "OVERQUOTA", "NO")
        case LimitReached():
            return Reply("A limit is reached", "LIMIT", "NO")
        case StoreUnavailable():
            return Reply("The mail store is not available, try again later", "UNAVAILABLE", "NO")
        case _:
            return Reply("The mail store refused this", "CANNOT", "NO")
