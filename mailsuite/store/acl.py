"""Pure. Access control lists: what others than its owner may do with a mailbox (RFC 4314 §2).

An identifier is an account's address, `anyone` or `authenticated` (whoever has signed in; here the
same); with "-" before it, its rights are taken away from what other entries give. The owner has all
rights, always, and is in no list.

An entry knows when it was made. It says nothing of an account that is younger: one of the same
address had been there before, and somebody else may have it now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

RIGHTS = "lrswipkxtea"
"""lookup, read, keep \\Seen, write flags, insert, post, create below, delete the mailbox, delete
messages (\\Deleted), expunge, administer; in the order in which they are told."""
ALL_RIGHTS = frozenset(RIGHTS)
EVERYBODY = ("anyone", "authenticated")
MAX_ENTRIES = 200
_MOMENT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


@dataclass(frozen=True, slots=True)
class Acl:
    """`entries`: identifier -> rights, in the order of RIGHTS, never empty.

    made  identifier -> seconds since the epoch; none for an entry that counts for ever
    """

    entries: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, float] = field(default_factory=dict)

    def rights_of(self, account: str, since: float = 0.0) -> frozenset[str]:
        """What an account that does not own the mailbox may do; `since` when it is there."""
        if not self.entries:
            return frozenset()
        given: set[str] = set()
        taken: set[str] = set()
        for identifier in (account, *EVERYBODY):
            begun = since if identifier == account else 0.0
            given.update(self.standing(identifier, begun))
            taken.update(self.standing("-" + identifier, begun))
        return frozenset(given - taken)

    def standing(self, identifier: str, since: float) -> str:
        """The rights of an entry, "" where it is older than the account."""
        return self.entries.get(identifier, "") if self.made.get(identifier, since) >= since else ""

    def changed(
        self, identifier: str, operation: str, rights: Iterable[str], *, since: float, now: float
    ) -> Acl:
        """The list after SETACL: rights added ("+"), taken out ("-") or replaced ("").

        `since`: as for `rights_of`, 0 for who is no account.
        """
        before, wanted = set(self.standing(identifier, since)), set(rights)
        match operation:
            case "+":
                wanted |= before
            case "-":
                wanted = before - wanted
        entries, made = dict(self.entries), dict(self.made)
        if wanted:
            entries[identifier] = ordered(wanted)
            made[identifier] = now
        else:
            entries.pop(identifier, None)
            made.pop(identifier, None)
        return Acl(entries, made)

    @property
    def grantees(self) -> set[str]:
        """Identifiers that are given anything."""
        return {identifier for identifier in self.entries if not identifier.startswith("-")}

    def octets(self) -> bytes:
        """As it is kept in a file: a line an entry, the moment behind the rights."""
        lines = (
            f"{who} {rights} {self.made[who]!r}\n" if who in self.made else f"{who} {rights}\n"
            for who, rights in self.entries.items()
        )
        return "".join(lines).encode()


def ordered(rights: Iterable[str]) -> str:
    """Rights in the usual order."""
    wanted = set(rights)
    return "".join(right for right in RIGHTS if right in wanted)


def from_octets(octets: bytes) -> Acl:
    """Read what `Acl.octets` wrote; lines and letters that make no sense are passed over."""
    entries: dict[str, str] = {}
    made: dict[str, float] = {}
    for line in octets.decode("utf-8", "replace").splitlines():
        identifier, _, rest = line.partition(" ")
        rights, _, moment = rest.partition(" ")
        known = ordered(rights)
        if identifier and known and len(entries) < MAX_ENTRIES:
            entries[identifier] = known
            if _MOMENT.fullmatch(moment):
                made[identifier] = float(moment)
    return Acl(entries, made)
