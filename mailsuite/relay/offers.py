"""Pure. What a server offers in its reply to EHLO or LHLO (RFC 5321 §4.1.1.1)."""

import re
from dataclasses import dataclass, field

from mailsuite.relay.replies import Reply

_LIMIT = re.compile(r"[A-Za-z0-9_-]+(?:=[!-:<-~]+)?")  # limit-name-value (RFC 9422 §3)
_BOUND = re.compile(r"[1-9][0-9]{0,5}")  # the value of each of its limits (§4)


@dataclass(frozen=True, slots=True)
class Offers:
    """The extensions by upper-case keyword, with their parameters as they were given."""

    extensions: dict[str, str] = field(default_factory=dict)

    def __contains__(self, keyword: object) -> bool:
        return keyword in self.extensions

    def without(self, *keywords: str) -> "Offers":
        """The same, but for some extensions."""
        left = {key: value for key, value in self.extensions.items() if key not in keywords}
        return Offers(left)

    @property
    def size(self) -> int | None:
        """Octets of the largest message that is taken (RFC 1870); None: no limit is told."""
        return _number(self.extensions.get("SIZE", "")) or None

    @property
    def auth(self) -> frozenset[str]:
        """SASL mechanisms (RFC 4954)."""
        return frozenset(self.extensions.get("AUTH", "").upper().split())

    @property
    def deliver_by(self) -> int:
        """Least seconds that BY may ask for (RFC 2852 §2); 0: no bound is told."""
        least, _, _ = self.extensions.get("DELIVERBY", "").partition(",")
        return _number(least) or 0

    def limit(self, name: str) -> int | None:
        """A bound of RFC 9422, such as RCPTMAX; None where there is none.

        What breaks the syntax of all is all passed over, a bound that breaks its own alone (§3.7).
        """
        parts = self.extensions.get("LIMITS", "").split()
        if not all(map(_LIMIT.fullmatch, parts)):
            return None
        for part in parts:
            key, _, value = part.partition("=")
            if key.upper() == name and _BOUND.fullmatch(value):
                return int(value)
        return None


NOTHING = Offers()


def offers_of(reply: Reply) -> Offers:
    """From the reply to EHLO; its first line is a greeting. The first of two lines counts."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        if keyword.upper().startswith("AUTH="):
            # As servers wrote it before RFC 2554, beside the line that counts.
            continue
        if keyword:
            found.setdefault(keyword.upper(), parameters.strip())
    return Offers(found)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None
