"""Pure. How one attempt to deliver to one recipient ended: sent, deferred or bounced.

Every outcome carries an enhanced status code (RFC 3463) and a line of text, and may carry
follow-up mail: new messages that the attempt gave rise to (a redirect by an alias, say). A courier
never sends such mail itself; the queue takes it in the same commit that records the outcome.
"""

from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.mail.envelope import Envelope


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A new message: its envelope and its octets.

    `body` None stands for the octets of the message that is being delivered, which the queue then
    shares with it; `head` is written before them, `tail` after them.
    """

    envelope: Envelope
    head: bytes = b""
    body: bytes | None = None
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Contact:
    """The host that an attempt ended at; all texts, "" where there is nothing to tell.

    host     its name, as found by MX or in the settings
    address  its IP address
    reply    its words that decided for this recipient, with the reply code; lines end with LF
    tls      version and cipher, and who vouched for the certificate; "none" for a plain connection
    why      what made it so: "opportunistic", "DANE", "MTA-STS", a setting
    dkim     name of the key that signed what it was sent: "mailsuite._domainkey.example.org"
    """

    host: str = ""
    address: str = ""
    reply: str = ""
    tls: str = ""
    why: str = ""
    dkim: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """Done: in a mailbox or taken over by the next MTA.

    `action` is what a notice to the sender would say (RFC 3464 §2.3.3): "delivered", "expanded",
    "relayed" (the next host can send no such notices), or "" where the next host sees to them.
    `timed` is False where the next host does not know DELIVERBY: nobody watches the time any more.
    """

    status: str
    text: str
    follow_ups: tuple[FollowUp, ...] = ()
    contact: Contact | None = None
    action: str = "delivered"
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now; try again later."""

    status: str
    text: str
    follow_ups: tuple[FollowUp, ...] = ()
    contact: Contact | None = None


@dataclass(frozen=True, slots=True)
class Bounced:
    """Never; the sender has to be told."""

    status: str
    text: str
    follow_ups: tuple[FollowUp, ...] = ()
    contact: Contact | None = None


Outcome: TypeAlias = Sent | Deferred | Bounced
