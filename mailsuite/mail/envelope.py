"""Pure. The envelope: who sends to whom, apart from the message itself (RFC 5321 §2.3.1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path: the address as the client gave it, without the angle brackets."""

    address: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """What MAIL and RCPT said.

    sender      reverse-path without the brackets; "" is the null reverse-path `<>`
    recipients  at least one
    body        "7BIT" or "8BITMIME" (RFC 6152)
    smtputf8    the client asked for RFC 6531 handling
    submitter   account that authenticated to hand the mail in, or None for mail from outside
    """

    sender: str
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    smtputf8: bool = False
    submitter: str | None = None
