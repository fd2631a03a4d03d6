"""A name that nobody has is refused as a wrong password is: by the same words, after the same work.

No time is measured. What takes time is counted (hashes of passwords), and everything that a client
sees is compared.
"""

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailsuite import sasl
from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher
from mailsuite.base.tasks import Threads
from mailsuite.sasl import ClientLogin, client
from mailsuite.sasl.scram import SHA1, SHA256
from mailsuite.signin import Client, Outcome, SignIn
from tests.sign_in import sign_in

KNOWN = "alice@example.test"
UNKNOWN = "carol@example.test"
NAMES = [
    KNOWN,
    UNKNOWN,
    "disabled@example.test",
    "sales@example.test",
    "alice@other.example",
    "no address at all",
]
LEGACY = "legacy@example.test"  # makes CRAM-MD5 and APOP be offered
POP3 = Client("pop3", "192.0.2.1", secure=True)


class CountingHasher(Hasher):
    def __init__(self) -> None:
        super().__init__(memory=64, passes=1)
        self.checks: list[bool] = []  # whether it was against a hash that an account has

    def check(self, kept: str | None, password: bytes) -> bool:
        self.checks.append(kept is not None)
        return super().check(kept, password)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
async def room(tmp_path: Path, hasher: CountingHasher) -> AsyncIterator[SignIn]:
    threads = Threads("test", 2)
    directory = Directory(tmp_path / "accounts.db", threads, hasher=hasher)
    directory.add_domain("example.test")
    for name in (KNOWN, "disabled@example.test", LEGACY):
        directory.add_user(name, "secret")
    directory.disable("disabled@example.test")
    directory.set_legacy(LEGACY, "secret")
    directory.add_alias("sales@example.test", [KNOWN])
    yield sign_in(directory, scram="always", first_delay=1.0)
    threads.close()
    directory.close()


def exchange_of(mechanism: str, name: str) -> sasl.ClientExchange:
    login = ClientLogin(name, "wrong")
    makers = {
        "PLAIN": lambda: client.Plain(login),
        "LOGIN": lambda: client.LoginExchange(login),
        "CRAM-MD5": lambda: client.CramMd5(login),
        "SCRAM-SHA-1": lambda: client.Scram(SHA1, login),
        "SCRAM-SHA-256": lambda: client.Scram(SHA256, login),
    }
    return makers[mechanism]()


async def seen(room: SignIn, mechanism: str, name: str) -> tuple[list[str], Outcome]:
    """The shape of what the server says, and the end."""
    machine, exchange = exchange_of(mechanism, name), room.start(mechanism, POP3)
    assert exchange is not None
    shapes: list[str] = []
    step = await exchange.step(machine.initial)
    while isinstance(step, bytes):
        shapes.append(shape(step))
        answer = machine.answer(step)
        assert answer is not None
        step = await exchange.step(answer)
    return shapes, step


def shape(challenge: bytes) -> str:
    """What is random in it, or made of the name, is told by its length alone."""
    text = re.sub(r"[0-9a-f]{24}(?=@)", "unique", challenge.decode())
    text = re.sub(r"(?<=r=)[^,]+", lambda found: f"{len(found[0])} characters", text)
    return re.sub(r"(?<=s=)[^,]+", lambda found: f"{len(base64.b64decode(found[0]))} octets", text)


@pytest.mark.parametrize(
    "mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
)
async def test_by_every_mechanism(room: SignIn, hasher: CountingHasher, mechanism: str) -> None:
    hashes = 1 if mechanism in ("PLAIN", "LOGIN") else 0
    looked = []
    for name in NAMES:
        hasher.checks.clear()
        looked.append(await seen(room, mechanism, name))
        assert len(hasher.checks) == hashes, name
        room.throttle._by_address.clear(POP3.peer)  # each is the first failure there
    assert all(each == looked[0] for each in looked), looked


async def test_by_user_and_pass_and_by_apop(room: SignIn, hasher: CountingHasher) -> None:
    compared: list[str] = []

    def fits(secret: str) -> bool:
        compared.append(secret)
        return False

    outcomes = []
    for name in NAMES:
        hasher.checks.clear()
        outcomes.append(await room.password(POP3, sasl.Credentials("", name, "wrong")))
        assert len(hasher.checks) == 1, name
        room.throttle._by_address.clear(POP3.peer)
    for name in [*NAMES, LEGACY]:
        outcomes.append(await room.digest(POP3, name, fits))
        room.throttle._by_address.clear(POP3.peer)
    assert all(each == outcomes[0] for each in outcomes), outcomes
    assert len(compared) == len(NAMES) + 1  # a digest is computed for each
    assert len(set(compared)) == len(compared)  # over a secret that nobody knows


def test_the_work_is_that_of_a_hash_of_today(hasher: CountingHasher) -> None:
    """For a name that nobody has a hash of the same cost is made, and found not to fit."""
    assert not hasher.check(None, b"secret")
    kept = hasher.make(b"secret")
    cost = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$")
    assert cost.findall(hasher._dummy) == cost.findall(kept) != []
