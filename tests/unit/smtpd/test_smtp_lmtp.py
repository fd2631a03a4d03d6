"""LMTP: whatever recipients are named, client and server agree on the number of replies."""

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from smtp_fakes import FakeQueue, FakeRoom
from smtp_house import SETTINGS, house, until

NAMES = ("alice@example.test", "bob@example.test", "nobody@example.test", "x@elsewhere.test")
MESSAGE = b"Subject: x\r\n\r\ntext\r\n"


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_reply_for_each_accepted_recipient(
    names: list[str], full: bool, chunked: bool, bad: bool
) -> None:
    """Invariant: one reply for each RCPT that was accepted, in order; the queue has those with 250.

    full: bob has no room for the message; bad: the message is refused as a whole.
    """

    async def run() -> None:
        queue, room = FakeQueue(), FakeRoom()
        room.left["bob@example.test"] = 5 if full else 1 << 20
        async with house(replace(SETTINGS, kind="lmtp"), queue, room=room) as opened:
            reader, writer = await opened.connect()
            writer.write(b"LHLO c\r\nMAIL FROM:<c@elsewhere.test>\r\n")
            await until(reader, b"250 2.1.0 ")
            accepted = []
            for name in names:
                writer.write(f"RCPT TO:<{name}>\r\n".encode())
                if (await reader.readline()).startswith(b"250 "):
                    accepted.append(name)
            assert accepted == [name for name in names if name in NAMES[:2]]
            message = MESSAGE + (b"bare\n\r\n" if bad else b"")
            if chunked:
                writer.write(b"BDAT %d LAST\r\n%s" % (len(message), message))
            else:
                writer.write(b"DATA\r\n")
                first = await reader.readline()
                assert first.startswith(b"354 " if accepted else b"503 ")
                writer.write(message + b".\r\n" if accepted else b"")
            if chunked and not accepted:
                assert (await reader.readline()).startswith(b"503 ")
            taken = []
            for name in accepted:
                line = await reader.readline()
                assert f" <{name}> ".encode() in line
                expected = b"554" if bad else b"452" if full and "bob" in name else b"250"
                assert line[:3] == expected
                taken += [name] if line[:3] == b"250" else []
            writer.write(b"NOOP\r\n")
            assert await reader.readline() == b"250 2.0.0 Ok\r\n", "nothing more, nothing less"
            writer.close()
        found = [each.address for envelope, _ in queue.accepted for each in envelope.recipients]
        assert found == list(dict.fromkeys(taken))

    asyncio.run(run())
