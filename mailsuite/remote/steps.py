"""Pure. What a dialogue asks of the connection that carries it out.

A dialogue is a generator: it yields one of these, and is sent what comes of it. So it runs over a
socket, and over a list of answers in a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets; nothing comes of it."""

    octets: bytes


class Receive:
    """The next response."""


class Handshake:
    """Go over to TLS."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Call this where it holds nothing up; its result."""

    call: Callable[[], bytes | None]


Step: TypeAlias = Send | Receive | Handshake | Compute
