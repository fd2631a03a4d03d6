"""Hosts that say anything at any time: every recipient has an outcome that makes sense."""

import asyncio
import random
from pathlib import Path

import pytest
from relay_support import relaying

from mailsuite.mail import Bounced, Deferred, Sent
from mailsuite.relay import Rule, Smarthost

SAYS = (
    b"220 x\r\n",
    b"250 ok\r\n",
    b"250-PIPELINING\r\n250 CHUNKING\r\n",
    b"250-x\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SIZE 10\r\n",
    b"354 go\r\n",
    b"421 bye\r\n",
    b"451 4.3.0 later\r\n",
    b"550 5.1.1 never\r\n",
    b"250-",
    b"\r\n",
    b"25",
    b"\xff\0\r\n",
    b"x" * 5000,
    b"250-x\r\n" * 200,
    b"334 \r\n",
)


class Wild:
    """Answers whatever comes with something random, cut anywhere, and hangs up now and then."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 x\r\n")
            while await reader.read(65536):
                for _ in range(self.chance.choice((1, 1, 1, 2, 5))):
                    usual = (b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", b"250 ok\r\n")
                    said = self.chance.choice((*usual, b"354 go\r\n", self.chance.choice(SAYS)))
                    at = self.chance.randrange(len(said))
                    writer.write(said[:at])
                    await asyncio.sleep(0)
                    writer.write(said[at:])
                if self.chance.random() < 0.1:
                    return
        except ConnectionError:
            return
        finally:
            writer.close()


@pytest.mark.parametrize("part", range(4))
async def test_whatever_a_host_says(tmp_path: Path, part: int) -> None:
    for seed in range(part * 25, part * 25 + 25):
        wild = Wild(seed)
        server = await asyncio.start_server(wild.serve, "127.0.0.1", 0)
        host = Smarthost("127.0.0.1", server.sockets[0].getsockname()[1], tls="opportunistic")
        async with relaying(tmp_path, default=Rule(host), timeout=0.05) as relay:
            for _ in range(3):
                outcomes = await relay.send("a@x.test", "b@y.test")
                assert len(outcomes) == 2
                for outcome in outcomes:
                    assert isinstance(outcome, Sent | Deferred | Bounced)
                    assert "internal error" not in outcome.text, (seed, outcome)
                    assert (
                        outcome.status[0] == {Sent: "2", Deferred: "4", Bounced: "5"}[type(outcome)]
                    ), (seed, outcome)
        server.close()
        await server.wait_closed()
