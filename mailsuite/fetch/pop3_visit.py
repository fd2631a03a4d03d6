"""One visit to a remote POP3 maildrop: what is new comes into the queue, what is due goes.

Promises as of an IMAP visit. Messages are known by their unique ids (UIDL); a server that gives two
messages the same one is taken to give them always in the same order.
"""

from __future__ import annotations

from collections import Counter

from mailsuite.base.tasks import committed
from mailsuite.fetch.handing import Handing
from mailsuite.fetch.model import Remote
from mailsuite.fetch.visit import NOT_GIVEN, TOO_LARGE, Needs, Told, due_before
from mailsuite.remote import Nonsense, Refused
from mailsuite.remote.pop3 import Item, Pop3Session

NOT_DELETED = "not deleted, for the server refuses that"
ENDLESS = 1 << 30  # octets


async def visit(needs: Needs, remote: Remote, session: Pop3Session) -> Told:
    """Ends the session. Raises RemoteError, QueueUnavailable."""
    database, threads, number = needs.database, needs.threads, remote.id
    told = Told()
    items = _named(await session.items())
    _, _, begun = await threads.run(database.place, number)
    now = needs.into.clock.now()
    if remote.skip and not begun:
        await committed(threads.run(database.skip, number, list(items), now))
    if items:  # an empty list may be a server's bad day, after which all would come again
        await committed(threads.run(database.keep_only, number, list(items)))
    seen = await threads.run(database.seen, number, list(items))
    left = await threads.run(database.left, number)
    for key, item in items.items():
        if key in seen:
            continue
        # Larger than the server says, as was found out once: not to be found out at each visit.
        if max(item.size, left.get(key, 0)) > needs.max_size():
            told.troubles[TOO_LARGE] += 1
            continue
        # One that can't be had must not keep the others from coming.
        trouble, size = await _bring(needs, remote, session, key, item)
        if trouble is not None:
            told.troubles[trouble] += 1
            if trouble == TOO_LARGE:
                await committed(threads.run(database.leave, number, {key: size}))
            continue
        seen[key] = now = needs.into.clock.now()
        await committed(threads.run(database.fetched, number, [key], now))
        told.fetched += 1
    await committed(threads.run(database.begun, number))
    before = due_before(remote, now)
    gone = []
    for key in [key for key, at in seen.items() if before is not None and at <= before]:
        try:
            await session.delete(items[key].number)
        except Refused:
            told.troubles[NOT_DELETED] += 1
        else:
            gone.append(key)
    # Nothing is deleted before this is answered (RFC 1939 §6).
    await session.quit()
    await committed(threads.run(database.forget, number, gone))
    return told


def _named(items: list[Item]) -> dict[str, Item]:
    """By unique ids, made unique where they are not."""
    counts: Counter[str] = Counter()
    found: dict[str, Item] = {}
    for item in items:
        counts[item.unique_id] += 1
        count = counts[item.unique_id]
        found[item.unique_id if count == 1 else f"{item.unique_id} {count}"] = item
    return found


def _is_endless(item: Item, handing: Handing) -> bool:
    """No message: far more than the server has told has come, and more than is taken."""
    return handing.too_large and handing.size > 2 * item.size + ENDLESS


async def _bring(
    needs: Needs, remote: Remote, session: Pop3Session, key: str, item: Item
) -> tuple[str | None, int]:
    """Why it did not come (None: it is in the queue), and its octets as far as they came."""
    handing = Handing(needs.into, remote, needs.max_size())
    try:
        async for piece in session.retrieve(item.number):
            await handing.write(piece)
            if _is_endless(item, handing):
                raise Nonsense(f"{remote.host} does not end a message of {item.size} octets")
        if handing.too_large:
            return TOO_LARGE, handing.size
        await committed(handing.commit(key))
    except Refused:
        await handing.discard()
        return NOT_GIVEN, 0
    except BaseException:
        await handing.discard()
        raise
    return None, handing.size
