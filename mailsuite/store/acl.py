"""Pure. Access control lists: what others than its owner may do with a mailbox (RFC 4314 §2).

An identifier is an account's address, `anyone` or `authenticated` (whoever has signed in; here the
same); with "-" before it, its rights are taken away from what other entries give. The owner has all
rights, always, and is in no list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

RIGHTS = "lrswipkxtea"
"""lookup, read, keep \\Seen, write flags, insert, post, create below, delete the mailbox, delete
messages (\\Deleted), expunge, administer; in the order in which they are told."""
ALL_RIGHTS = frozenset(RIGHTS)
EVERYBODY = ("anyone", "authenticated")
MAX_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class Acl:
    """`entries`: identifier -> rights, in the order of RIGHTS, never empty."""

    entries: Mapping[str, str] = field(default_factory=dict)

    def rights_of(self, account: str) -> frozenset[str]:
        """What an account that does not own the mailbox may do."""
        entries = self.entries
        if not entries:
            return frozenset()
        given: set[str] = set()
        taken: set[str] = set()
        for identifier in (account, *EVERYBODY):
            given.update(entries.get(identifier, ""))
            taken.update(entries.get("-" + identifier, ""))
        return frozenset(given - taken)

    def changed(self, identifier: str, operation: str, rights: Iterable[str]) -> Acl:
        """The list after SETACL: rights added ("+"), taken out ("-") or replaced ("")."""
        before, wanted = set(self.entries.get(identifier, "")), set(rights)
        match operation:
            case "+":
                wanted |= before
            case "-":
                wanted = before - wanted
        entries = dict(self.entries)
        if wanted:
            entries[identifier] = ordered(wanted)
        else:
            entries.pop(identifier, None)
        return Acl(entries)

    @property
    def grantees(self) -> set[str]:
        """Identifiers that are given anything."""
        return {identifier for identifier in self.entries if not identifier.startswith("-")}

    def octets(self) -> bytes:
        """As it is kept in a file: a line an entry."""
        return "".join(f"{who} {rights}\n" for who, rights in self.entries.items()).encode()


def ordered(rights: Iterable[str]) -> str:
    """Rights in the usual order."""
    wanted = set(rights)
    return "".join(right for right in RIGHTS if right in wanted)


def from_octets(octets: bytes) -> Acl:
    """Read what `Acl.octets` wrote; lines and letters that make no sense are passed over."""
    entries: dict[str, str] = {}
    for line in octets.decode("utf-8", "replace").splitlines():
        identifier, _, rights = line.rpartition(" ")
        known = ordered(rights)
        if identifier and known and len(entries) < MAX_ENTRIES:
            entries[identifier] = known
    return Acl(entries)
