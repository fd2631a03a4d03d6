"""When background work may go on: what the accounts of a store tell each other about it.

Promises: work in one account gives way to mail for any of them, for at most `GIVE_WAY` seconds from
one step to the next.
"""

from __future__ import annotations

import asyncio

GIVE_WAY = 2.0


class Background:
    """Of one store. Loop thread only; times are the loop's.

    full_text  held by the account whose full-text index is being filled
    facets     held by the account whose facets are being computed
    changed    when messages have last come or gone in any account
    computed   when the last step of computing facets began, in any account
    """

    def __init__(self) -> None:
        self.full_text = asyncio.Semaphore()
        self.facets = asyncio.Semaphore()
        self.changed = 0.0
        self.computed = 0.0
