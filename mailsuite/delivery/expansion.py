"""Pure but for the look-ups. All that an address stands for: accounts here, addresses elsewhere.

Promises: ends whatever aliases lead to each other; an account is named once, with the address by
which it was first reached.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from mailsuite.mail import Alias, Mailbox, Remote, Route

MAX_DEPTH = 10  # aliases that lead to aliases
MAX_TARGETS = 5000  # addresses of one expansion


@dataclass(slots=True)
class Expansion:
    """What an address stands for.

    alias     it is an alias, not an account itself
    accounts  account -> (address that led there, detail of that address)
    remote    addresses of domains that are not ours
    unknown   addresses of ours where nobody is
    looped    some alias led back to itself, or too deep, or to too many
    """

    alias: bool = False
    accounts: dict[str, tuple[str, str]] = field(default_factory=dict)
    remote: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    looped: bool = False


def expand(address: str, route: Callable[[str], Route]) -> Expansion:
    """All that `address` stands for; `route` says where one address leads."""
    found = Expansion()
    seen = {address}
    level = [address]
    for _ in range(MAX_DEPTH + 1):
        following: list[str] = []
        for each in level:
            match route(each):
                case Mailbox(account, detail):
                    found.accounts.setdefault(account, (each, detail))
                case Remote():
                    found.remote.append(each)
                case Alias(_, targets):
                    found.alias = True
                    for target in targets:
                        if target in seen or len(seen) >= MAX_TARGETS:
                            found.looped = True
                        else:
                            seen.add(target)
                            following.append(target)
                case _:
                    found.unknown.append(each)
        level = following
    if level:
        found.looped = True
    return found
