"""The client's side of a transaction, against scripted servers: each file in `dialogues/`.

offers KEYWORD…      what EHLO has offered
chunked, together, lmtp
to ADDRESS           a recipient, in order
C: …                 what the client has to send; (message), (message raw)
S: …                 what the server answers when the client waits; (end): it hangs up
= FATE REPLY         the verdict on each recipient, in order; then: usable or lost
"""

from base64 import b64encode
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.relay import dialogue
from mailsuite.relay.dialogue import (
    Compute,
    Fate,
    Lost,
    Refused,
    Result,
    Send,
    SendMessage,
    Transfer,
    Want,
    transact,
)
from mailsuite.relay.offers import NOTHING, Offers
from mailsuite.relay.replies import Reply, ReplyReader
from mailsuite.sasl import ClientLogin, choose
from mailsuite.sasl.client import Scram
from mailsuite.sasl.scram import SHA1

FILES = sorted(Path(__file__).with_name("dialogues").glob("*.txt"))


@dataclass
class Script:
    offers: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    to: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)


def read(path: Path) -> Script:
    script = Script()
    for line in path.read_text().splitlines():
        match line.split(None, 1):
            case ["offers", *words]:
                script.offers = " ".join(words).split()
            case ["to", address]:
                script.to.append(address)
            case ["C:" | "S:", _]:
                script.lines.append(line)
            case ["=", verdict]:
                script.verdicts.append(verdict)
            case ["#", _]:
                pass
            case _:
                script.flags |= set(line.split())
    return script


def reply(text: str) -> Reply:
    (found,) = ReplyReader().feed(text.encode() + b"\r\n")
    return found


def play(steps: Generator[Any, Reply, Any], lines: list[str]) -> Any:
    """Run the dialogue against the script; gives what it returns."""
    left = list(lines)

    def sends(text: str) -> None:
        assert left and left[0] == f"C: {text}", (text, left)
        left.pop(0)

    step = next(steps)
    try:
        while True:
            match step:
                case Send(octets):
                    for line in octets.decode().removesuffix("\r\n").split("\r\n"):
                        sends(line)
                    step = next(steps)
                case SendMessage(raw):
                    sends("(message raw)" if raw else "(message)")
                    step = next(steps)
                case Compute(call):
                    step = steps.send(call())
                case _:
                    assert left and left[0].startswith("S: "), (step, left)
                    text = left.pop(0)[3:]
                    step = (
                        steps.throw(Lost("the end")) if text == "(end)" else steps.send(reply(text))
                    )
    except StopIteration as end:
        assert not left, left
        return end.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transaction(path: Path) -> None:
    script = read(path)
    transfer = Transfer(
        b"MAIL FROM:<s@x>\r\n",
        [f"RCPT TO:<{each}>\r\n".encode() for each in script.to],
        9,
        chunked="chunked" in script.flags,
        together="together" in script.flags,
    )
    offers = Offers(dict.fromkeys(script.offers, ""))
    result = play(transact(transfer, offers, lmtp="lmtp" in script.flags), script.lines)
    found = [
        " ".join(filter(None, (each.fate.value, str(each.reply) if each.reply else each.words)))
        for each in result.verdicts
    ]
    wanted = script.verdicts[:-1]
    for one, other in zip(found, wanted, strict=True):
        assert one.startswith(other)
    assert ("usable" if result.usable else "lost") == script.verdicts[-1]


anything = st.builds(Reply, st.integers(200, 559), st.just(("x",)))


@given(
    st.lists(anything | st.none(), max_size=12),
    st.integers(1, 4),
    st.sets(st.sampled_from(["PIPELINING", "CHUNKING"])),
    st.booleans(),
    st.booleans(),
)
def test_whatever_the_server_says_each_recipient_has_one_verdict(
    replies: list[Reply | None], count: int, offered: set[str], together: bool, lmtp: bool
) -> None:
    """Sent only where the server took the message with a 2xx or 3xx after all of it was sent."""
    offers = Offers(dict.fromkeys(offered, ""))
    transfer = Transfer(b"M\r\n", [b"R\r\n"] * count, 9, "CHUNKING" in offered, together)
    steps = transact(transfer, offers, lmtp=lmtp)
    given_out = iter(replies)
    finals = 0
    sent = False
    step = next(steps)
    try:
        for _ in range(100):
            match step:
                case Want():
                    answer = next(given_out, None)
                    finals += step is Want.FINAL and answer is not None and answer.ok
                    step = steps.throw(Lost("x")) if answer is None else steps.send(answer)
                case _:
                    sent = sent or isinstance(step, SendMessage)
                    step = next(steps)
        raise AssertionError("no end")
    except StopIteration as end:
        result: Result = end.value
    assert len(result.verdicts) == count
    taken = sum(each.fate is Fate.SENT for each in result.verdicts)
    assert not taken or (sent and finals)


class TestHello:
    def test_offers(self) -> None:
        text = "250-x hello\r\n250-SIZE 1000\r\n250-auth login PLAIN\r\n250 LIMITS RCPTMAX=20 X=a"
        found: Offers = play(dialogue.hello("me"), ["S: 220 x", "C: EHLO me", f"S: {text}"])
        assert (found.size, found.auth) == (1000, {"LOGIN", "PLAIN"})
        assert found.limit("RCPTMAX") == 20 and found.limit("X") is None and "DSN" not in found

    def test_an_old_server(self) -> None:
        lines = ["S: 220 x", "C: EHLO me", "S: 502 what", "C: HELO me", "S: 250 x"]
        assert play(dialogue.hello("me"), lines) == NOTHING

    def test_lmtp(self) -> None:
        found = play(dialogue.hello("me", lmtp=True), ["S: 220 x", "C: LHLO me", "S: 250 x"])
        assert found == NOTHING

    @pytest.mark.parametrize(
        "lines",
        [
            ["S: 554 no"],
            ["S: 421 no"],
            ["S: 220 x", "C: EHLO me", "S: 421 no"],
            ["S: 220 x", "C: EHLO me", "S: 550 no", "C: HELO me", "S: 550 no"],
        ],
    )
    def test_refused(self, lines: list[str]) -> None:
        with pytest.raises(Refused, match="no"):
            play(dialogue.hello("me"), lines)


class TestSignIn:
    login = ClientLogin("alice", "päss")

    def test_plain(self) -> None:
        exchange = choose(["LOGIN", "PLAIN"], self.login, secure=True)
        assert exchange is not None
        lines = ["C: AUTH PLAIN AGFsaWNlAHDDpHNz", "S: 235 2.7.0 ok"]
        play(dialogue.sign_in(exchange), lines)

    def test_login(self) -> None:
        exchange = choose(["LOGIN", "GSSAPI"], self.login, secure=True)
        assert exchange is not None
        lines = ["C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: YWxpY2U=", "S: 334 UGFzc3dvcmQ6"]
        play(dialogue.sign_in(exchange), [*lines, "C: cMOkc3M=", "S: 235 ok"])

    def test_what_does_not_fit_into_a_command_waits_to_be_asked(self) -> None:
        """RFC 4954 §4."""
        for length, fits in ((365, True), (366, False)):
            login = ClientLogin("alice", "x" * length)
            exchange = choose(["PLAIN"], login, secure=True)
            assert exchange is not None
            password = b64encode(b"\0alice\0" + b"x" * length).decode()
            asked = ["C: AUTH PLAIN", "S: 334 ", f"C: {password}"]
            lines = [f"C: AUTH PLAIN {password}"] if fits else asked
            play(dialogue.sign_in(exchange), [*lines, "S: 235 2.7.0 ok"])
            assert all(len(line) - 3 <= 510 for line in lines[:1])

    def test_refused_and_asked_too_much(self) -> None:
        exchange = choose(["plain"], self.login, secure=True)
        assert exchange is not None
        lines = ["C: AUTH PLAIN AGFsaWNlAHDDpHNz", "S: 334 bW9yZQ==", "C: *", "S: 501 bad"]
        with pytest.raises(Refused, match="501"):
            play(dialogue.sign_in(exchange), lines)

    def test_nothing_in_common(self) -> None:
        assert choose(["GSSAPI"], self.login, secure=True) is None

    def test_sign_in_at_a_server_that_does_not_know_the_password(self) -> None:
        exchange = Scram(SHA1, self.login, nonce="abc")
        first = "C: AUTH SCRAM-SHA-1 " + b64encode(exchange.initial).decode()
        with pytest.raises(Lost, match="not shown that it knows the password"):
            play(dialogue.sign_in(exchange), [first, "S: 235 2.7.0 welcome"])

    def test_no_log_shows_the_password(self) -> None:
        assert "päss" not in repr(self.login)
