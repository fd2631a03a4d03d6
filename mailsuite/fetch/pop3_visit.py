"""One visit to a remote POP3 maildrop: what is new comes into the queue, what is due goes.

Promises as of an IMAP visit. Messages are known by their unique ids (UIDL); a server that gives two
messages the same one is taken to give them always in the same order. Where unique ids have gone and
others have come, a message is known by its octets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from mailsuite.base.tasks import committed
from mailsuite.fetch.handing import Handing
from mailsuite.fetch.model import Remote
from mailsuite.fetch.visit import NOT_GIVEN, TOO_LARGE, Needs, Told, due_before
from mailsuite.remote import Nonsense, Refused
from mailsuite.remote.pop3 import Item, Pop3Session

NOT_DELETED = "not deleted, for the server refuses that"
RENAMED = "known, though the server has given other unique ids"
ENDLESS = 1 << 30  # octets


@dataclass(slots=True)
class _Came:
    """What became of one message.

    trouble  why it did not come, or ""
    size     octets as far as they came
    digest   of its octets, when they are whole
    """

    trouble: str = ""
    size: int = 0
    digest: str = ""


async def visit(needs: Needs, remote: Remote, session: Pop3Session) -> Told:
    """Ends the session. Raises RemoteError, QueueUnavailable."""
    database, threads, number = needs.database, needs.threads, remote.id
    told = Told()
    items = _named(await session.items())
    _, _, begun = await threads.run(database.place, number)
    now = needs.into.clock.now()
    if remote.skip and not begun:
        await committed(threads.run(database.skip, number, list(items), now))
    seen = await threads.run(database.seen, number, list(items))
    left = await threads.run(database.left, number)
    vanished = await threads.run(database.vanished, number, list(items))
    for key, item in items.items():
        if key in seen:
            continue
        # Larger than the server says, as was found out once: not to be found out at each visit.
        if max(item.size, left.get(key, 0)) > needs.max_size():
            told.troubles[TOO_LARGE] += 1
            continue
        # One that can't be had must not keep the others from coming.
        came = await _bring(needs, remote, session, key, item, vanished)
        if came.trouble:
            told.troubles[came.trouble] += 1
            if came.trouble == TOO_LARGE:
                await committed(threads.run(database.leave, number, {key: came.size}))
        elif came.digest in vanished:
            seen[key] = at = vanished[came.digest].pop()
            await committed(threads.run(database.renamed, number, key, at, came.digest))
            told.troubles[RENAMED] += 1
            if not vanished[came.digest]:
                del vanished[came.digest]
        else:
            seen[key] = now = needs.into.clock.now()
            call = partial(database.fetched, digest=came.digest)
            await committed(threads.run(call, number, [key], now))
            told.fetched += 1
    if items:  # an empty list may be a server's bad day, after which all would come again
        await committed(threads.run(database.keep_only, number, list(items)))
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
    needs: Needs,
    remote: Remote,
    session: Pop3Session,
    key: str,
    item: Item,
    vanished: Collection[str],
) -> _Came:
    """Into the queue, unless it is one of those that have vanished under their old unique ids."""
    handing = Handing(needs.into, remote, needs.max_size())
    octets = blake2b(digest_size=16)
    try:
        async for piece in session.retrieve(item.number):
            octets.update(piece)
            await handing.write(piece)
            if _is_endless(item, handing):
                raise Nonsense(f"{remote.host} does not end a message of {item.size} octets")
        if handing.too_large:
            return _Came(TOO_LARGE, handing.size)
        digest = octets.hexdigest()
        if digest in vanished:
            await handing.discard()
        else:
            await committed(handing.commit(key))
    except Refused:
        await handing.discard()
        return _Came(NOT_GIVEN)
    except BaseException:
        await handing.discard()
        raise
    return _Came(size=handing.size, digest=digest)
