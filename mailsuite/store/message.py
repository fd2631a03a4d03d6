"""An open message: its octets as they go over the wire."""


class MessageFile:
    """Made by `Mailbox.open_message`. Readable until `close`, even if the message is expunged.

    size   octets as they go over the wire (CRLF line ends)
    """

    size: int

    async def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """`length` octets from `offset` on (None: to the end); fewer at the end."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the file back; idempotent. Also: `with await mailbox.open_message(uid) as file`."""
        raise NotImplementedError
