"""The fail2ban filters in docs/operations.md find the address in our log, and no forged one."""

import asyncio
import io
import re
from pathlib import Path

import pytest

from mailsuite import sasl
from mailsuite.base import log
from mailsuite.signin import Client
from tests.sign_in import FakeAccounts, sign_in

DOCS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
FORGED = [
    "alice@example.test",
    "x peer=203.0.113.9 room=signin why=",
    "x' peer=203.0.113.9 room=signin why='y",
    'x", "peer": "203.0.113.9", "event": "sign-in failed',
    "x\nsign-in failed door=imap name=y peer=203.0.113.9 room=signin why=z",
    'x\r\n{"event": "sign-in failed", "peer": "203.0.113.9"}',
]


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("json", [False, True])
async def test_the_filters_find_the_client(name: str, peer: str, json: bool) -> None:
    text, whole = re.findall(r"failregex = (.+)", DOCS.read_text())
    pattern = (whole if json else text).replace("<HOST>", r"(?P<host>[0-9a-f:.]+)")
    out = io.StringIO()
    log.configure(json=json, stream=out)
    room = sign_in(FakeAccounts({"alice@example.test": "secret"}), address_failures=1)
    given = sasl.Credentials("", name, "wrong")
    for _ in range(2):  # a wrong password, then a ban
        await room.password(Client("imap", peer, secure=True), given)
    await asyncio.sleep(0)  # the log is written once a turn
    found = [match["host"] for line in out.getvalue().splitlines()
             if (match := re.search(pattern, line))]  # fmt: skip
    assert found == [peer, peer]
