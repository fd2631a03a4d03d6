"""What a command and a service extension are to the door, and the mail transaction they fill.

A new verb is one file with one row in `commands`; a new extension is one file with one row in
`extensions`. Only values and types; nothing here acts.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosmtpd.smtp import Envelope as LibraryEnvelope
from aiosmtpd.smtp import Session as LibrarySession

from mailsuite.mail import Envelope, Recipient
from mailsuite.smtpd.reply import Reply

if TYPE_CHECKING:
    from mailsuite.smtpd.session import SmtpSession

MAX_LINE = 2048
"""Octets of a command line with its CRLF: 512 (RFC 5321 §4.5.3.1.4), and what extensions add."""

MAX_AUTH_LINE = 12_288
"""The same for AUTH and its exchange (RFC 4954 §4)."""

Handler = Callable[["SmtpSession", str], Awaitable[Reply | None]]
"""Takes the session and the argument; gives the reply, or None when nobody is there to read it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One verb.

    handler      what it does
    syntax       what HELP shows
    help         what it is good for, in a line
    needs_hello  refused with 503 before EHLO or HELO
    no_argument  refused with 501 when something stands behind the verb
    idle         brings no mail forward: counted against `Settings.max_idle_commands`
    max_line     longest line, in octets with CRLF
    offered      whether HELP lists it in this session
    """

    handler: Handler
    syntax: str
    help: str
    needs_hello: bool = False
    no_argument: bool = False
    idle: bool = False
    max_line: int = MAX_LINE
    offered: Callable[["SmtpSession"], bool] = lambda session: True


class Client(LibrarySession):
    """What is known of the client since the connection began, or since STARTTLS (RFC 3207 §4.2).

    Uses of aiosmtpd's session: `host_name` (the argument of EHLO or HELO; None before), and
    `extended_smtp` (it was EHLO).
    """

    account: str | None = None
    """The account that has signed in."""


class Transaction(LibraryEnvelope):
    """One mail transaction, from MAIL on (RFC 5321 §3.3).

    Of aiosmtpd's envelope it uses `mail_from` (None before MAIL, "" for the null reverse-path),
    `rcpt_tos` and `smtp_utf8`; the message itself is never kept in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mail_from: str | None = None
        self.body = "7BIT"
        self.refused = 0
        self.size = 0  # octets, as far as the client has told (RFC 1870)
        self.seen: set[str] = set()

    def to_envelope(self, submitter: str | None) -> Envelope:
        """The values that the queue wants."""
        return Envelope(
            sender=self.mail_from or "",
            recipients=tuple(map(Recipient, self.rcpt_tos)),
            body=self.body,
            smtputf8=self.smtp_utf8,
            submitter=submitter,
        )


Parameter = Callable[["SmtpSession", Transaction, str | None], Reply | None]
"""Notes a MAIL or RCPT parameter's value (None without ``=``) in the transaction, or refuses it."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One service extension (RFC 5321 §2.2).

    announce  its line in the reply to EHLO, or None where it is not offered now
    mail      the parameters it adds to MAIL, by upper-case keyword
    rcpt      and to RCPT
    """

    announce: Callable[["SmtpSession"], str | None]
    mail: Mapping[str, Parameter] = field(default_factory=dict)
    rcpt: Mapping[str, Parameter] = field(default_factory=dict)
