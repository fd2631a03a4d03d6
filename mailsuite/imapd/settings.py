"""What an operator may choose about the IMAP door."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailsuite.imapd.syntax.receiver import Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds.

    hostname          in the greeting
    allow_plain_auth  passwords may come without TLS from a loopback address (the laptop)
    limits            of one command; `limits.literal` is the largest message of APPEND
    errors            commands in a row answered BAD before the session is ended
    sign_ins          failed sign-ins before the session is ended
    login_timeout     to sign in
    idle_timeout      without a command, after sign-in; at least 1,800 (RFC 3501 §5.4)
    write_timeout     for a client to take some octets of an answer
    keep_alive        between `* OK Still here` in IDLE
    progress          between two notices of how far a long command is (RFC 9585)
    version           of the program, for ID
    unauthenticate    clients may sign out and in again on one connection (RFC 8437)
    admin             URI of whoever runs the server, for METADATA; "" for none
    """

    hostname: str
    allow_plain_auth: bool = False
    limits: Limits = field(default_factory=Limits)
    errors: int = 20
    sign_ins: int = 5
    login_timeout: float = 60
    idle_timeout: float = 1860
    write_timeout: float = 300
    keep_alive: float = 120
    progress: float = 10
    version: str = ""
    unauthenticate: bool = True
    admin: str = ""
