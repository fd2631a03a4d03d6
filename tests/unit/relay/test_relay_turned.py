"""Mail over a connection on which the roles have turned."""

from pathlib import Path

from relay_support import MESSAGE

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.mail import Deferred, Envelope, Job, QueuedMessage, Recipient, Sent
from mailsuite.net import connect
from mailsuite.relay import Contexts, Settings
from mailsuite.relay.turned import take_over
from tests.next_hop import OFFERS, NextHop, listening


async def test_what_was_sent_is_noted_before_leave_is_taken(tmp_path: Path) -> None:
    """Where the host takes no more: an end meanwhile would have it sent again."""
    path = tmp_path / "message"
    path.write_bytes(MESSAGE)
    to = tuple(Recipient(address) for address in ("a@x.test", "b@y.test"))
    queued = QueuedMessage(str(path), 0, len(MESSAGE), False, MESSAGE)
    job = Job("0123456789ABC", Envelope("s@here.test", to), to, (0, 1), queued, 1, False, 1.7e9)
    threads = Threads("turned-test", 1)
    async with listening(NextHop((*OFFERS, "LIMITS RCPTDOMAINMAX=1"))) as hop:
        courier = await take_over(
            await connect("127.0.0.1", hop.port, timeout=10.0),
            name="far.test",
            why="ATRN by far",
            account="far",
            settings=Settings("here.test"),
            contexts=Contexts(""),
            clock=SystemClock(),
            threads=threads,
        )
        assert courier.usable
        sent, left = await courier.deliver(job)
        assert isinstance(sent, Sent) and isinstance(left, Deferred)
        assert not courier.usable and "QUIT" not in hop.commands
        await courier.quit()
        assert hop.commands[-1] == "QUIT"
    threads.close()
