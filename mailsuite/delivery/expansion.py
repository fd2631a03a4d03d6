"""Pure but for look-ups. What one recipient comes down to: accounts here, addresses elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mailsuite.mail import Alias, Mailbox, Remote, Route

MAX_DEPTH = 10  # aliases that lead to aliases
MAX_TARGETS = 1000


@dataclass(slots=True)
class Expansion:
    """Where the mail of one recipient goes.

    mailboxes  account -> subaddress, each account once
    remote     addresses in domains that are not ours
    unknown    addresses in our domains that nobody has
    too_far    aliases lead on and on, or to too many addresses
    """

    mailboxes: dict[str, str] = field(default_factory=dict)
    remote: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    too_far: bool = False


def expand(address: str, route: Callable[[str], Route]) -> Expansion:
    """Follow aliases from `address`; an alias that was met before is not followed again."""
    found = Expansion()
    seen: set[str] = set()
    level = [address]
    for _ in range(MAX_DEPTH + 1):
        following: list[str] = []
        for one in level:
            step = route(one)
            if isinstance(step, Mailbox):
                found.mailboxes.setdefault(step.account, step.detail)
            elif isinstance(step, Remote):
                if one not in found.remote:
                    found.remote.append(one)
            elif isinstance(step, Alias):
                if step.name not in seen:
                    seen.add(step.name)
                    following += step.targets
            else:
                found.unknown.append(one)
        if len(following) + len(found.mailboxes) + len(found.remote) > MAX_TARGETS:
            break
        if not following:
            return found
        level = following
    found.too_far = True
    return found
