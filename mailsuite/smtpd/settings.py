"""What a listener of the ESMTP door may be told. Only values; each is a bound or a choice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one listener. Sizes in octets, times in seconds.

    kind                  "smtp" takes mail for our domains from anybody (port 25), "submission"
                          takes mail from our users to anybody (RFC 6409, ports 587 and 465),
                          "local" the same from programs of this machine, which need not sign in,
                          over a Unix socket; "lmtp" is as "smtp" for an MTA before us, which is
                          told what becomes of its message for each recipient (RFC 2033); "odmr"
                          takes none, but hands mail over to hosts that sign in (RFC 2645)
    hostname              our name in the greeting and in Received
    implicit_tls          TLS from the first octet (RFC 8314); otherwise STARTTLS is offered where
                          there is a TLS context
    require_tls           no other command before STARTTLS; not for a public SMTP server
                          (RFC 3207 §4)
    allow_plain_auth      submission: AUTH also without TLS (loopback of a developer's machine)
    max_message_size      announced by SIZE
    max_line              longest line inside a message; what 1,000 octets would forbid (RFC 5321
                          §4.5.3.1.6) is taken up to here
    max_recipients        of one message; RFC 5321 §4.5.3.1.8 wants 100 at least
    max_messages          of one session
    max_idle_commands     commands other than MAIL, RCPT and DATA between two accepted messages
    max_session           a session that has lasted so long ends at the next message, or command
                          that brings none forward
    max_errors            error replies between two accepted messages, then 421
    errors_before_delay   error replies after which each further one waits
    error_delay           so long the first time, and so much longer each further time, up to
                          `longest_error_delay`
    max_auth_failures     in one session, then 421
    etrn                  domains that ETRN may ask for, in lower case; ".example.org" stands for
                          all below it
    on_demand             accounts with the domains whose mail they may take over by ATRN and TURN,
                          written as for `etrn`
    relayed               domains of others for which mail is taken from anybody, written likewise
    outcome_wait          how long the reply to a message waits for outcomes (VERB)
    max_hold              submission: how long mail may be held before it goes out (RFC 4865);
                          0: not offered
    max_hold_size         submission: octets of one account's mail that is held (RFC 4865 §6)
    max_hops              Received fields after which a message is taken to run in circles; RFC 5321
                          §6.3 wants 100 at least
    apparently_fields     submission: where From or To is missing, Apparently-From and Apparently-To
                          are added as mail systems of old did
    max_connections       open at once
    max_connections_per_address  open at once from one address (IPv6: one /64)
    command_timeout       to send a whole command (RFC 5321 §4.5.3.2.7: five minutes at least)
    auth_timeout          to answer a challenge of AUTH
    data_timeout          between two pieces of a message
    message_timeout       for a whole message
    """

    kind: Literal["smtp", "submission", "local", "lmtp", "odmr"]
    hostname: str
    implicit_tls: bool = False
    require_tls: bool = False
    allow_plain_auth: bool = False
    max_message_size: int = 50 * 1024 * 1024
    max_line: int = 1024 * 1024
    max_recipients: int = 1000
    max_messages: int = 10_000
    max_idle_commands: int = 1000
    max_session: float = 4 * 3600.0
    max_errors: int = 50
    errors_before_delay: int = 20
    error_delay: float = 0.5
    longest_error_delay: float = 10.0
    max_auth_failures: int = 5
    etrn: frozenset[str] = frozenset()
    on_demand: Mapping[str, frozenset[str]] = field(default_factory=dict)
    relayed: frozenset[str] = frozenset()
    outcome_wait: float = 10.0
    max_hold: float = 30 * 86400.0
    max_hold_size: int = 200_000_000
    max_hops: int = 100
    apparently_fields: bool = False
    max_connections: int = 1000
    max_connections_per_address: int = 100
    command_timeout: float = 300.0
    auth_timeout: float = 60.0
    data_timeout: float = 300.0
    message_timeout: float = 3600.0

    @property
    def submission(self) -> bool:
        """Whether our users hand in their own mail here."""
        return self.kind in ("submission", "local")

    @property
    def lmtp(self) -> bool:
        """Whether this is LMTP and not SMTP."""
        return self.kind == "lmtp"

    @property
    def sign_in(self) -> bool:
        """Whether clients sign in."""
        return self.kind in ("submission", "odmr")

    @property
    def odmr(self) -> bool:
        """Whether hosts fetch their mail here, and nothing else is done."""
        return self.kind == "odmr"
