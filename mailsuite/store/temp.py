"""A message on its way in, whose size nobody knows yet (an APPEND literal, say)."""


class TempMessage:
    """Takes octets; small ones stay in memory, large ones go to a file in the account's tmp.

    size   octets written so far
    """

    size: int

    async def write(self, data: bytes) -> None:
        """Add octets. Raises StoreUnavailable when the disk refuses."""
        raise NotImplementedError

    async def discard(self) -> None:
        """Throw it away; idempotent, and harmless after a successful append."""
        raise NotImplementedError
