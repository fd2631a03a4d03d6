"""Pure. MTA-STS (RFC 8461): the TXT record, the policy, and whether a host is in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailsuite.relay.dane import name_fits

MAX_POLICY = 1 << 16  # octets
MAX_AGE = 31_557_600  # seconds (§3.2)
MAX_HOSTS = 1000
_BEGUN = re.compile(r"v=STSv1[ \t]*;")
_RECORD = re.compile(  # sts-text-record (§3.1)
    r"v=STSv1(?:[ \t]*;[ \t]*[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+)+(?:[ \t]*;[ \t]*)?\Z"
)
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*(.*?)[ \t]*\Z")
_PATTERN = re.compile(r"(?:\*\.)?[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.?\Z")


@dataclass(frozen=True, slots=True)
class Policy:
    """mode: "enforce", "testing" or "none"; mx: patterns of host names; max_age in seconds."""

    mode: str
    mx: tuple[str, ...]
    max_age: int

    def allows(self, host: str) -> bool:
        """Whether `host` may take the domain's mail (§4.1)."""
        return any(name_fits(pattern, host) for pattern in self.mx)


def record_id(texts: Sequence[str]) -> str | None:
    """The id in the TXT records of `_mta-sts.<domain>` (§3.1); None: there is no policy.

    A record that breaks the syntax anywhere is none.
    """
    found = [text for text in texts if _BEGUN.match(text)]
    if len(found) != 1 or not _RECORD.match(found[0]):
        return None
    for part in found[0].split(";")[1:]:
        key, _, value = part.strip(" \t").partition("=")
        if key == "id":
            return value if _ID.match(value) else None
    return None


def parse(text: str) -> Policy:
    """The policy of a text (§3.2). Raises ValueError; unknown fields don't matter."""
    found: dict[str, str] = {}
    hosts: list[str] = []
    for line in re.split(r"\r?\n", text):
        if not line.strip(" \t"):
            continue
        match = _FIELD.match(line)
        if match is None:
            raise ValueError(f"not a field: {line[:60]!r}")
        key, value = match.groups()
        if key == "mx":
            if not _PATTERN.match(value) or len(hosts) >= MAX_HOSTS:
                raise ValueError(f"not a host name: {value[:60]!r}")
            hosts.append(value.lower().rstrip("."))
        else:
            found.setdefault(key, value)  # the first one counts
    if found.get("version") != "STSv1":
        raise ValueError("no version STSv1")
    mode = found.get("mode", "")
    if mode not in ("enforce", "testing", "none"):
        raise ValueError(f"no such mode: {mode[:20]!r}")
    age = found.get("max_age", "")
    if not (age.isascii() and age.isdigit() and len(age) <= 10):
        raise ValueError("no max_age")
    if mode != "none" and not hosts:
        raise ValueError("no mx")
    return Policy(mode, tuple(hosts), min(int(age), MAX_AGE))
