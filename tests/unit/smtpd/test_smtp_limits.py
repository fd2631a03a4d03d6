"""Limits that a dialogue in text can't show: waits that grow, and a session's whole time."""

import threading
from dataclasses import replace
from typing import Any, Literal

import pytest
from smtp_fakes import FakeQueue
from smtp_house import ENVELOPE, SETTINGS, house, until

from mailsuite.smtpd import reception
from mailsuite.smtpd.session import SmtpSession


async def test_errors_cost_more_time_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(session: SmtpSession, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(SmtpSession, "sleep", sleep)
    settings = replace(
        SETTINGS,
        max_errors=7,
        errors_before_delay=2,
        error_delay=1.5,
        longest_error_delay=4.0,
        max_recipients=1,
    )
    async with house(settings) as opened:
        reader, writer = await opened.connect()
        writer.write(b"X\r\n" * 8)
        assert (
            await until(reader, b"421 ")
            == b"421 4.7.0 mail.example.test Too many errors, goodbye\r\n"
        )
        assert await reader.read() == b""
        writer.close()
    assert slept[:5] == [1.5, 3.0, 4.0, 4.0, 4.0]


async def test_a_session_that_lasts_too_long_ends_after_its_message() -> None:
    async with house() as opened:
        reader, writer = await opened.connect()
        writer.write(b"EHLO c\r\nMAIL FROM:<c@elsewhere.test>\r\n")
        await until(reader, b"250 2.1.0 ")
        (session,) = opened.door._context.sessions
        session._began -= SETTINGS.max_session + 1
        writer.write(b"NOOP\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n")
        await until(reader, b"250 2.0.0 Ok")
        await until(reader, b"354 ")
        writer.write(b"Subject: x\r\n\r\n.\r\n")
        assert b"queued" in await until(reader, b"250 ")
        writer.write(b"MAIL FROM:<c@elsewhere.test>\r\n")
        assert (
            await reader.readline()
            == b"421 4.7.0 mail.example.test Session lasts too long, reconnect\r\n"
        )
        assert await reader.read() == b""
        writer.close()


async def test_many_authors_are_looked_up_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be the address of a list with a thousand members."""
    look = reception.repair_submission
    threads: list[int] = []

    def seen(*given: Any, **named: Any) -> Any:
        threads.append(threading.get_ident())
        return look(*given, **named)

    monkeypatch.setattr(reception, "repair_submission", seen)
    async with house(replace(SETTINGS, kind="local"), FakeQueue()) as opened:
        reader, writer = await opened.connect()
        for count in (1, 50):
            authors = b",\r\n ".join(b"list+%d@b" % number for number in range(count))
            writer.write(ENVELOPE + b"From: " + authors + b"\r\n\r\n.\r\n")
            assert b"queued" in await until(reader, b"250 2.0.0 ")
        writer.close()
    assert [thread == threading.get_ident() for thread in threads] == [True, False]


@pytest.mark.parametrize("kind", ["smtp", "local"])
async def test_a_large_header_is_looked_at_in_a_thread(
    kind: Literal["smtp", "local"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many addresses or fields as fit into it that takes a second."""
    name = "passed" if kind == "smtp" else "repair_submission"
    look = getattr(reception, name)
    threads: list[int] = []

    def seen(*given: Any, **named: Any) -> Any:
        threads.append(threading.get_ident())
        return look(*given, **named)

    monkeypatch.setattr(reception, name, seen)
    queue = FakeQueue()
    async with house(replace(SETTINGS, kind=kind), queue) as opened:
        reader, writer = await opened.connect()
        for count in (10, 20_000):
            writer.write(ENVELOPE + b"To: " + b"<,\r\n " * count + b"a@b\r\n\r\n.\r\n")
            assert b"queued" in await until(reader, b"250 2.0.0 ")
        writer.close()
    assert [thread == threading.get_ident() for thread in threads] == [True, False]
    assert all(b"\r\n a@b\r\n" in octets for _, octets in queue.accepted)
