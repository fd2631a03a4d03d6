"""Pure. The envelope: who sends to whom, apart from the message itself (RFC 5321 §2.3.1)."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path: the address as the client gave it, without the angle brackets.

    notify  NOTIFY of RFC 3461 §4.1: ("NEVER",), or some of "SUCCESS", "FAILURE", "DELAY"; () when
            it was not given, which means failure and perhaps delay
    orcpt   ORCPT as it was given, "rfc822;Bob@example.com", the address in xtext (RFC 3461 §4.2);
            "" when it was not given
    """

    address: str
    notify: tuple[str, ...] = ()
    orcpt: str = ""


class DeliverBy(NamedTuple):
    """BY of RFC 2852 §4.

    by     seconds since the epoch; what was relative to the arrival is made absolute
    mode   "R": return the message when it is not delivered by then; "N": tell the sender and go on
    trace  the sender wants to be told where it goes
    """

    by: float
    mode: str
    trace: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """What MAIL and RCPT said.

    sender       reverse-path without the brackets; "" is the null reverse-path `<>`
    recipients   at least one
    body         "7BIT" or "8BITMIME" (RFC 6152), "BINARYMIME" (RFC 3030)
    smtputf8     the client asked for RFC 6531 handling
    submitter    account that authenticated to hand the mail in, or None for mail from outside
    ret          RET of RFC 3461 §4.3: "FULL", "HDRS", or "" when it was not given
    envid        ENVID as it was given, in xtext (RFC 3461 §4.4); "": not given
    require_tls  REQUIRETLS of RFC 8689: over authenticated TLS or not at all
    hold_until   FUTURERELEASE of RFC 4865: not attempted before, seconds since the epoch
    hold         the same as it was asked for, "for;3600" or "until;2030-01-31T08:00:00Z" (§5.1.2)
    deliver_by   DELIVERBY of RFC 2852
    released     its owner has let it go: sent also where mail to others is captured
    collected    it was in a mailbox on another server that its recipient has mail collected from:
                 the name of this message there, the same for all time; "": it was not. What it has
                 behind it is no loop, and its sender is told nothing of what becomes of it here
    priority     MT-PRIORITY of RFC 6710, -9 to 9
    internal     no client has brought it: a program of this machine has, or the server wrote it
                 itself (a notice)
    """

    sender: str
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    smtputf8: bool = False
    submitter: str | None = None
    ret: str = ""
    envid: str = ""
    require_tls: bool = False
    hold_until: float | None = None
    hold: str = ""
    deliver_by: DeliverBy | None = None
    released: bool = False
    collected: str = ""
    priority: int = 0
    internal: bool = False
