"""Pure. SRS, the sender rewriting scheme: envelope senders of forwarded mail.

A next hop that checks SPF refuses mail that we forward under its author's address. So the sender
becomes an address of ours that carries the author's; a bounce to it finds its way back. Nobody else
can make such an address, and each holds for some weeks: it is no open relay.

    SRS0=hash=day=domain=local@ours         of local@domain
    SRS1=hash=first==hash=day=...@ours      of SRS0=hash=day=...@first, forwarded once more
    SRS0=hash=day=kept=name@ours            of a sender that finds no room there (VERP) and is kept
                                            under `name`: see `kept`
"""

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

DAY = 86_400
VALID = 21  # days; longer than any queue keeps a message
_DAYS = 1024
_HASH = 6  # characters of five bits
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_SRS0 = re.compile(r"srs0[=+-]([a-z2-7]+)=([a-z2-7]{2})=([^=@]+)=(.+)\Z", re.IGNORECASE | re.DOTALL)
_SRS1 = re.compile(r"srs1[=+-]([a-z2-7]+)=([^=@]+)=([=+-].+)\Z", re.IGNORECASE | re.DOTALL)
_ATOMS = re.compile(r"[^\x00-\x20\"(),:;<>@\[\]\\\x7f]+\Z")
MAX_LOCAL = 64  # octets (RFC 5321 §4.5.3.1.1)
KEPT = "kept"
"""Stands for the domain of senders that are kept: no domain that takes mail has such a name."""
_NAME = 12  # characters of five bits


@dataclass(frozen=True, slots=True)
class Srs:
    """`secret`: 32 random octets that stay the same; `now`: seconds since the epoch."""

    secret: bytes
    now: Callable[[], float]

    def forward(self, sender: str, domain: str) -> str | None:
        """The sender under which mail of `sender` goes on from `domain`, one of ours.

        What has no domain stays as it is: "", which is nobody, most of all. None: the address can't
        carry this sender, since it is quoted, leaves no room in 64 octets, or looks like one kept.
        """
        local, at, host = sender.rpartition("@")
        if not at:
            return sender
        if host.lower() == KEPT or not _ATOMS.match(local):
            return None
        if _SRS1.match(local):
            # The first forwarder is named in it already; only our own hash is new.
            _, first, rest = _groups(_SRS1, local)
            if first.lower() == KEPT:
                return None
            new = f"SRS1={self._hash(first, rest)}={first}={rest}"
        elif _SRS0.match(local):
            rest = local[4:]
            new = f"SRS1={self._hash(host, rest)}={host}={rest}"
        else:
            new = self._srs0(local, host)
        # An address literal has signs that no Dot-string has.
        fits = len(new.encode()) <= MAX_LOCAL and _ATOMS.match(new)
        return f"{new}@{domain}" if fits else None

    def kept_name(self, sender: str) -> str:
        """The name under which `sender` is kept today: on one day the same for the same sender."""
        digest = hmac.digest(self.secret, f"{self.today}\0{sender}".encode(), "sha256")
        return base64.b32encode(digest).decode("ascii").lower()[:_NAME]

    def forward_kept(self, name: str, domain: str) -> str:
        """The sender under which mail of one who is kept as `name` goes on from `domain`."""
        return f"{self._srs0(name, KEPT)}@{domain}"

    @property
    def today(self) -> int:
        """The day, counted from the epoch."""
        return int(self.now() // DAY)

    def reverse(self, local: str) -> str | None:
        """The address behind the local part of one of ours; `name@kept` where that is kept.

        None: it is no SRS address. Raises ValueError for one that we never made, or that has
        become too old.
        """
        if _SRS0.match(local):
            given, day, host, name = _groups(_SRS0, local)
            self._check(given, day.lower(), host, name)
            if (self.today - _number(day.lower())) % _DAYS > VALID:
                raise ValueError("this return address has expired")
            return f"{name}@{host}"
        if _SRS1.match(local):
            given, first, rest = _groups(_SRS1, local)
            self._check(given, first, rest)
            return f"SRS0{rest}@{first}"
        return None

    def _srs0(self, local: str, host: str) -> str:
        number = self.today % _DAYS
        day = _BASE32[number >> 5] + _BASE32[number & 31]
        return f"SRS0={self._hash(day, host, local)}={day}={host}={local}"

    def _check(self, given: str, *parts: str) -> None:
        if not hmac.compare_digest(given.lower(), self._hash(*parts)):
            raise ValueError("no return address of this server")

    def _hash(self, *parts: str) -> str:
        # Some hosts change the case of local parts.
        text = "\0".join(parts).lower().encode("utf-8", "surrogatepass")
        digest = hmac.digest(self.secret, text, "sha256")
        return base64.b32encode(digest).decode("ascii").lower()[:_HASH]


def _groups(form: re.Pattern[str], local: str) -> tuple[str, ...]:
    found = form.match(local)
    return found.groups() if found else ()


def _number(day: str) -> int:
    return (_BASE32.index(day[0]) << 5) + _BASE32.index(day[1])
