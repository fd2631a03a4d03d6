"""The way in, over the real directory: what each mechanism is given, and how each refusal comes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailsuite import sasl
from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher
from mailsuite.base.tasks import Threads
from mailsuite.sasl import ClientLogin
from mailsuite.sasl.client import CramMd5, Scram
from mailsuite.sasl.scram import SHA1, SHA256, Hash
from mailsuite.signin import Client, Exchange, Outcome, Refused, SignedIn, SignIn, Why
from tests.sign_in import sign_in

ALICE = "alice@example.test"
IMAP = Client("imap", "192.0.2.1", secure=True)
OPEN = Client("imap", "192.0.2.1", secure=False)


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    threads = Threads("test", 2)
    found = Directory(tmp_path / "accounts.db", threads, hasher=Hasher(memory=64, passes=1))
    found.add_domain("example.test")
    found.add_user(ALICE, "secret")
    yield found
    threads.close()
    found.close()


@pytest.fixture
def room(directory: Directory) -> SignIn:
    return sign_in(directory, scram="auto", address_failures=3)


@pytest.fixture
def open_room(directory: Directory) -> SignIn:
    return sign_in(directory, scram="auto", address_failures=3, without_tls=True)


async def password(room: SignIn, word: str, name: str = ALICE, client: Client = IMAP) -> Outcome:
    return await room.password(client, sasl.Credentials("", name, word))


async def scram(
    room: SignIn, word: str, name: str = ALICE, client: Client = IMAP, hash: Hash = SHA256
) -> Outcome:
    machine = Scram(hash, ClientLogin(name, word))
    exchange = room.start(hash.mechanism, client)
    assert exchange
    return await converse(exchange, machine)


async def converse(exchange: Exchange, machine: sasl.ClientExchange) -> Outcome:
    step = await exchange.step(machine.initial)
    while isinstance(step, bytes):
        answer = machine.answer(step)
        assert answer is not None
        step = await exchange.step(answer)
    return step


def why(outcome: Outcome) -> Why:
    assert isinstance(outcome, Refused)
    return outcome.why


async def test_what_is_announced(room: SignIn, directory: Directory) -> None:
    assert room.mechanisms(IMAP) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
    assert room.mechanisms(OPEN) == []
    assert room.needs_tls("plain", OPEN) and not room.needs_tls("PLAIN", IMAP)
    assert not room.needs_tls("CRAM-MD5", OPEN)
    assert not room.takes_digests(IMAP)
    directory.set_legacy(ALICE, "secret")
    assert room.takes_digests(IMAP) and not room.takes_digests(OPEN)
    assert room.needs_tls("CRAM-MD5", OPEN)
    room.apply(replace(room.settings, without_tls=True))
    assert room.takes_digests(OPEN)
    assert room.mechanisms(OPEN) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"]
    assert room.start("PLAIN", OPEN) is None


async def test_scram_is_announced_once_everybody_can_use_it(
    room: SignIn, directory: Directory
) -> None:
    """A client takes the strongest mechanism it sees, and would fail with an account that can't."""
    with directory._database.write() as connection:
        connection.execute("UPDATE users SET scram = NULL")
    assert room.mechanisms(IMAP) == ["PLAIN", "LOGIN"]
    assert isinstance(await password(room, "secret"), SignedIn)
    assert "SCRAM-SHA-1" in room.mechanisms(IMAP)


async def test_passwords(room: SignIn, directory: Directory) -> None:
    assert await password(room, "secret") == SignedIn(ALICE, "password")
    assert why(await password(room, "wrong")) is Why.WRONG
    assert why(await password(room, "secret", "bob@example.test")) is Why.WRONG
    other = sasl.Credentials("bob@example.test", ALICE, "secret")
    assert why(await room.password(IMAP, other)) is Why.FORBIDDEN
    directory.disable(ALICE)
    assert why(await password(room, "secret")) is Why.WRONG


async def test_an_empty_name_or_password_is_nobodys(room: SignIn) -> None:
    for name, word in ((ALICE, ""), ("", "secret"), ("", "")):
        assert why(await password(room, word, name)) is Why.WRONG


@pytest.mark.parametrize("hash", [SHA1, SHA256], ids=lambda hash: hash.name)
async def test_scram(room: SignIn, hash: Hash) -> None:
    assert await scram(room, "secret", hash=hash) == SignedIn(ALICE, hash.mechanism)
    assert await scram(room, "secret", "Alice@example.test", hash=hash) == SignedIn(
        ALICE, hash.mechanism
    )
    assert why(await scram(room, "wrong", hash=hash)) is Why.WRONG
    assert why(await scram(room, "secret", "bob@example.test", hash=hash)) is Why.WRONG


async def test_an_account_disabled_meanwhile_does_not_come_in(
    room: SignIn, directory: Directory
) -> None:
    machine = Scram(SHA256, ClientLogin(ALICE, "secret"))
    exchange = room.start("SCRAM-SHA-256", IMAP)
    assert exchange
    first = await exchange.step(machine.initial)
    assert isinstance(first, bytes)
    final = machine.answer(first)
    assert final
    signature = await exchange.step(final)
    assert isinstance(signature, bytes) and machine.answer(signature) == b""
    directory.disable(ALICE)
    assert why(await exchange.step(b"")) is Why.WRONG


async def test_cram_md5_and_apop_for_those_who_opted_in(
    open_room: SignIn, directory: Directory
) -> None:
    room = open_room
    assert room.start("CRAM-MD5", OPEN) is None
    directory.set_legacy(ALICE, "secret")
    for name, word, right in [
        (ALICE, "secret", True),
        (ALICE, "wrong", False),
        ("bob@example.test", "secret", False),
    ]:
        exchange = room.start("CRAM-MD5", OPEN)
        assert exchange
        outcome = await converse(exchange, CramMd5(ClientLogin(name, word)))
        assert isinstance(outcome, SignedIn) is right
    assert isinstance(await room.digest(OPEN, ALICE, lambda word: word == "secret"), SignedIn)
    for _ in range(2):
        assert why(await room.digest(OPEN, ALICE, lambda word: word == "wrong")) is Why.WRONG
    assert why(await room.digest(OPEN, ALICE, lambda word: True)) is Why.BANNED


async def test_every_challenge_is_another(open_room: SignIn, directory: Directory) -> None:
    directory.set_legacy(ALICE, "secret")
    seen = set()
    for _ in range(10):
        exchange = open_room.start("CRAM-MD5", OPEN)
        assert exchange
        seen.add(await exchange.step(None))
    assert len(seen) == 10
    assert all(str(each).endswith("@mail.example.test>'") for each in seen)


async def test_app_passwords_by_any_mechanism_within_their_scope(
    room: SignIn, directory: Directory
) -> None:
    row, word = directory.app_passwords.add(ALICE, "laptop", ["imap"])
    signed_in = SignedIn(ALICE, "app password laptop")
    assert await password(room, word) == signed_in
    assert await scram(room, word) == signed_in
    assert await scram(room, word, hash=SHA1) == signed_in
    smtp = Client("smtp", "192.0.2.1", secure=True)
    assert why(await password(room, word, client=smtp)) is Why.WRONG
    assert why(await scram(room, word, client=smtp)) is Why.WRONG
    assert isinstance(await scram(room, "secret", client=smtp), SignedIn)
    (kept,) = directory.app_passwords.of(ALICE)
    assert (kept.used_from, kept.used_by) == ("192.0.2.1", "imap") and kept.used
    directory.app_passwords.revoke(ALICE, row.name)
    assert why(await password(room, word)) is Why.WRONG


async def test_an_address_is_banned_before_anything_is_checked(room: SignIn) -> None:
    for guess in "abc":
        assert why(await password(room, guess)) is Why.WRONG
    assert why(await password(room, "secret")) is Why.BANNED
    assert why(await scram_first(room)) is Why.BANNED
    elsewhere = Client("smtp", "192.0.2.2", secure=True)
    assert isinstance(await password(room, "secret", client=elsewhere), SignedIn)


async def scram_first(room: SignIn) -> Outcome:
    exchange = room.start("SCRAM-SHA-1", IMAP)
    assert exchange
    step = await exchange.step(Scram(SHA1, ClientLogin(ALICE, "secret")).initial)
    assert not isinstance(step, bytes)
    return step


async def test_a_closed_account_is_open_to_app_passwords(directory: Directory) -> None:
    """Nobody guesses those, and the owner may be on a network that was never seen before."""
    room = sign_in(directory, scram="auto", account_failures=3)
    _, word = directory.app_passwords.add(ALICE, "phone")
    for number in range(3):
        peer = Client("imap", f"203.0.113.{number}", secure=True)
        await password(room, f"guess {number}", client=peer)
    assert why(await password(room, "secret")) is Why.BANNED
    assert why(await scram(room, "secret")) is Why.WRONG
    assert isinstance(await password(room, word), SignedIn)
    assert isinstance(await scram(room, word), SignedIn)
    assert isinstance(await password(room, "secret"), SignedIn)  # known by now


async def test_a_directory_out_of_order_is_told_apart_from_a_wrong_password(
    directory: Directory, tmp_path: Path
) -> None:
    directory.set_legacy(ALICE, "secret")
    directory.close()
    (tmp_path / "secrets.key").write_bytes(b"x" * 32)
    broken = Directory(tmp_path / "accounts.db", hasher=Hasher(memory=64, passes=1))
    room = sign_in(broken, without_tls=True)
    exchange = room.start("CRAM-MD5", OPEN)
    assert exchange
    assert why(await converse(exchange, CramMd5(ClientLogin(ALICE, "x")))) is Why.UNAVAILABLE
    assert why(await room.digest(OPEN, ALICE, lambda word: True)) is Why.UNAVAILABLE
    broken.close()


async def test_the_log_line_that_fail2ban_reads(
    room: SignIn, capsys: pytest.CaptureFixture[str]
) -> None:
    await password(room, "wrong", "mallory peer=1.2.3.4 x")
    out = capsys.readouterr().out
    assert "sign-in failed" in out and "door=imap" in out and "peer=192.0.2.1" in out
    assert "name='mallory peer=1.2.3.4 x'" in out
    assert "wrong" not in out.replace("wrong name or password", "")


async def test_many_connections_have_no_more_guesses(directory: Directory) -> None:
    room = sign_in(directory, scram="auto", address_failures=4)
    guesses = (password(room, f"guess {number}") for number in range(50))
    found = [why(outcome) for outcome in await asyncio.gather(*guesses)]
    assert found.count(Why.WRONG) <= 4 + 1 and found.count(Why.BANNED) >= 45
    assert not room.throttle._turns and not room.throttle._waiting


async def test_exchanges_that_were_open_before_the_ban_end_with_it(room: SignIn) -> None:
    machines = [Scram(SHA256, ClientLogin(ALICE, word)) for word in ["wrong"] * 3 + ["secret"]]
    exchanges = [room.start("SCRAM-SHA-256", IMAP) for _ in machines]
    finals = []
    for machine, exchange in zip(machines, exchanges, strict=True):
        assert exchange
        first = await exchange.step(machine.initial)
        assert isinstance(first, bytes)
        finals.append(machine.answer(first))
    for exchange, final in zip(exchanges[:3], finals, strict=False):
        assert exchange and why(await exchange.step(final)) is Why.WRONG
    # Not even the server's signature, which would say that the password was right.
    last = exchanges[3]
    assert last and why(await last.step(finals[3])) is Why.BANNED


@pytest.mark.parametrize("name", [ALICE, "nobody@example.test"])
async def test_exchanges_that_were_open_before_an_account_was_closed_end_with_it(
    directory: Directory, name: str
) -> None:
    """From however many addresses, and whether there is such an account or not."""
    room = sign_in(directory, scram="auto", account_failures=3)
    machine = Scram(SHA256, ClientLogin(name, "secret"))
    exchange = room.start("SCRAM-SHA-256", IMAP)
    assert exchange
    first = await exchange.step(machine.initial)
    assert isinstance(first, bytes)
    for number in range(3):
        peer = Client("imap", f"203.0.113.{number}", secure=True)
        await password(room, f"guess {number}", name, peer)
    assert why(await exchange.step(machine.answer(first))) is Why.BANNED


async def test_the_only_domain_need_not_be_named(open_room: SignIn, directory: Directory) -> None:
    room = open_room
    directory.set_legacy(ALICE, "secret")
    assert await password(room, "secret", "Alice") == SignedIn(ALICE, "password")
    assert isinstance(await scram(room, "secret", "alice"), SignedIn)
    exchange = room.start("CRAM-MD5", OPEN)
    assert exchange
    assert isinstance(await converse(exchange, CramMd5(ClientLogin("alice", "secret"))), SignedIn)
    assert isinstance(await room.digest(OPEN, "alice", lambda word: word == "secret"), SignedIn)
    for authzid, right in (("alice", True), (ALICE, True), ("bob", False)):
        given = sasl.Credentials(authzid, "alice", "secret")
        assert isinstance(await room.password(IMAP, given), SignedIn) is right
    assert why(await password(room, "secret", "bob")) is Why.WRONG
    directory.add_domain("another.test")
    assert why(await password(room, "secret", "alice")) is Why.WRONG
    assert await password(room, "secret") == SignedIn(ALICE, "password")


async def test_failures_of_a_name_with_and_without_its_domain_count_together(
    directory: Directory,
) -> None:
    room = sign_in(directory, scram="auto", address_failures=100, account_failures=4)
    for number, name in enumerate((ALICE, "alice", "ALICE", ALICE)):
        client = replace(IMAP, peer=f"192.0.2.{number}")
        assert why(await password(room, f"wrong {number}", name, client)) is Why.WRONG
    assert why(await password(room, "secret", "alice")) is Why.BANNED


@pytest.mark.parametrize("local", ["alice", "nobody"])
async def test_a_name_has_one_salt_however_it_is_written(directory: Directory, local: str) -> None:
    """Else SCRAM would tell which names are accounts."""
    directory.add_domain("bücher.test")
    directory.add_user("alice@bücher.test", "secret")
    room = sign_in(directory, scram="always", address_failures=3)
    salts = set()
    for name in (
        f"{local}@bücher.test",
        f"{local.upper()}@xn--bcher-kva.test",
        f'"{local}"@BÜCHER.test.',
    ):
        exchange = room.start("SCRAM-SHA-256", IMAP)
        assert exchange
        first = await exchange.step(Scram(SHA256, ClientLogin(name, "x")).initial)
        assert isinstance(first, bytes)
        salts.add(first.partition(b",")[2])
    assert len(salts) == 1


async def test_a_banned_address_has_no_use_for_a_certificate(
    room: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsuite.signin.service.certificate_names", lambda tls: [ALICE])
    exchange = room.start("EXTERNAL", IMAP)
    assert exchange
    assert await exchange.step(b"") == SignedIn(ALICE, "certificate")
    for guess in "abc":
        await password(room, guess, "bob@example.test")
    exchange = room.start("EXTERNAL", IMAP)
    assert exchange
    assert why(await exchange.step(b"")) is Why.BANNED
