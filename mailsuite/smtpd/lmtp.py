"""What LMTP adds to a message's end: a reply for each recipient (RFC 2033 §4.2).

A 250 here is the same promise as in SMTP: the message is in the queue for good. What can be known
before that is asked for each recipient, and who can't get the message is refused alone: the client
keeps it for him, or tells its sender.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mailsuite.delivery.trace import key_of
from mailsuite.mail import Mailbox, Recipient, Route
from mailsuite.smtpd.context import Context
from mailsuite.smtpd.grammar import ascii_text
from mailsuite.smtpd.reply import CAME_BACK, Reply, reply

FULL = reply(452, "4.2.2", "The mailbox is full, try again later")


async def refusals(
    context: Context, recipients: Iterable[Recipient], size: int, passed: Iterable[str]
) -> dict[str, Reply]:
    """Who can't get a message of `size` octets, by address, and why.

    passed  keys of those who have had it before (`delivery.trace.passed`)
    """
    had = frozenset(passed)
    found: dict[str, Reply] = {}
    for recipient in recipients:
        address = recipient.address
        if had and key_of(address) in had:
            found[address] = CAME_BACK
        elif await is_full(context, context.router.accept(address), size):
            found[address] = FULL
    return found


async def is_full(context: Context, route: Route, size: int) -> bool:
    """Whether it leads to a mailbox that can't take `size` octets more (0: nobody knows)."""
    return isinstance(route, Mailbox) and not await context.room(route.account, size)


def answers(accepted: Iterable[str], answer: Reply, refused: Mapping[str, Reply]) -> list[Reply]:
    """The replies to the end of a message: one for each RCPT that was accepted, in their order.

    An address that was named twice has two. None of them is held against the client: it has to
    hear them all.
    """
    found = []
    for address in accepted:
        one = refused.get(address, answer)
        text = ascii_text(f"<{address}> ") + " ".join(one.lines)
        found.append(replace(one, lines=(text,), blamed=False))
    return found
