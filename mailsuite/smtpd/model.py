"""What a command and a service extension are to the door, and the mail transaction they fill.

A new verb is one file with one row in `commands`; a new extension is one file with one row in
`extensions`. Only values and types; nothing here acts.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosmtpd.smtp import Envelope as LibraryEnvelope
from aiosmtpd.smtp import Session as LibrarySession

from mailsuite.mail import DeliverBy, Envelope, Recipient
from mailsuite.smtpd.reply import Reply, reply

if TYPE_CHECKING:
    from mailsuite.smtpd.commands.bdat import Chunks
    from mailsuite.smtpd.session import SmtpSession

MAX_LINE = 2048
"""Octets of a command line with its CRLF: 512 (RFC 5321 §4.5.3.1.4), and what extensions add."""

MAX_AUTH_LINE = 12_288
"""The same for AUTH and its exchange (RFC 4954 §4)."""

OVER_WHILE_HELD = reply(501, "5.5.4", "BY ends before the time that the message is held until")

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
    grouped      its reply may leave with those to the commands behind it (RFC 2920 §3.2)
    max_line     longest line, in octets with CRLF
    in_clear     may come before TLS where TLS is required (RFC 3207 §4)
    offered      whether HELP lists it in this session
    """

    handler: Handler
    syntax: str
    help: str
    needs_hello: bool = False
    no_argument: bool = False
    idle: bool = False
    grouped: bool = False
    max_line: int = MAX_LINE
    in_clear: bool = False
    offered: Callable[["SmtpSession"], bool] = lambda session: True


class Client(LibrarySession):
    """What is known of the client since the connection began, or since STARTTLS (RFC 3207 §4.2).

    Uses of aiosmtpd's session: `host_name` (the argument of EHLO or HELO; None before), and
    `extended_smtp` (it was EHLO).
    """

    account: str | None = None
    """The account that has signed in."""

    verbose: bool = False
    """The client wants to know what becomes of its message for each recipient (VERB)."""


class Transaction(LibraryEnvelope):
    """One mail transaction, from MAIL on (RFC 5321 §3.3).

    Of aiosmtpd's envelope it uses `mail_from` (None before MAIL, "" for the null reverse-path) and
    `smtp_utf8`; the message itself is never kept in it. Values that have the names of fields of
    `mail.Envelope` mean the same as there; `notify` and `orcpt` are those of the RCPT at work.

    refused           recipients that were refused
    size              octets, as far as the client has told (RFC 1870)
    seen              addresses of the recipients
    accepted          address of each RCPT that was accepted, in their order (LMTP has a reply for
                      each)
    priority_changed  the client has asked for another priority
    chunks            the message, once it has begun to come by BDAT
    """

    def __init__(self) -> None:
        super().__init__()
        self.mail_from: str | None = None
        self.body = "7BIT"
        self.recipients: list[Recipient] = []
        self.seen: set[str] = set()
        self.accepted: list[str] = []
        self.refused = 0
        self.size = 0
        self.notify: tuple[str, ...] = ()
        self.orcpt = ""
        self.ret = ""
        self.envid = ""
        self.require_tls = False
        self.hold_until: float | None = None
        self.hold = ""
        self.deliver_by: DeliverBy | None = None
        self.priority = 0
        self.priority_changed = False
        self.chunks: Chunks | None = None

    def add(self, address: str) -> None:
        """A recipient, with what its RCPT has said. Named twice, it is still one recipient."""
        self.accepted.append(address)
        if address not in self.seen:
            self.seen.add(address)
            self.recipients.append(Recipient(address, self.notify, self.orcpt))

    def contradiction(self) -> Reply | None:
        """The refusal of a message that is to be there before it may go out (RFC 4865 §5.2.2).

        That it has to be there later by a moment, the time between two parameters, does not count.
        """
        if self.deliver_by is None or self.hold_until is None:
            return None
        return None if round(self.deliver_by.by - self.hold_until) > 0 else OVER_WHILE_HELD

    def to_envelope(self, submitter: str | None, *, internal: bool = False) -> Envelope:
        """The values that the queue wants; the arguments are those of `Envelope`."""
        return Envelope(
            sender=self.mail_from or "",
            recipients=tuple(self.recipients),
            body=self.body,
            smtputf8=self.smtp_utf8,
            submitter=submitter,
            ret=self.ret,
            envid=self.envid,
            require_tls=self.require_tls,
            hold_until=self.hold_until,
            hold=self.hold,
            deliver_by=self.deliver_by,
            priority=self.priority,
            internal=internal,
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
