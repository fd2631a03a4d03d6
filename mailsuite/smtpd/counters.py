"""What a listener counts since its start, for the control room to show. Only numbers."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """Plain counts; they only grow.

    connections           accepted
    connections_refused   over the limits
    messages              answered with 250
    octets                in those messages
    recipients            of those messages
    messages_refused      refused after DATA
    messages_broken_off   the client hung up in the middle of one
    senders_refused       refused at MAIL
    recipients_refused    refused at RCPT
    sign_ins              AUTH that succeeded
    sign_ins_failed       AUTH with a wrong name or password
    turns                 ATRN and TURN after which the roles turned
    tls                   connections that went over to TLS, or began with it
    errors                4xx and 5xx replies of any kind
    timeouts              clients that were closed for their silence
    failures              errors of our own, answered with 451
    """

    connections: int = 0
    connections_refused: int = 0
    messages: int = 0
    octets: int = 0
    recipients: int = 0
    messages_refused: int = 0
    messages_broken_off: int = 0
    senders_refused: int = 0
    recipients_refused: int = 0
    sign_ins: int = 0
    sign_ins_failed: int = 0
    turns: int = 0
    tls: int = 0
    errors: int = 0
    timeouts: int = 0
    failures: int = 0

    def as_dict(self) -> dict[str, int]:
        """All of them by name."""
        return asdict(self)
