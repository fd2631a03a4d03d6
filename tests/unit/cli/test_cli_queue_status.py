"""`mailsuite queue|status`: with a running server over its socket, and without one."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailsuite.base.errors import UserError
from mailsuite.cli import queue as queue_commands
from mailsuite.cli import run
from mailsuite.control import Server

ENTRY: dict[str, Any] = {
    "id": "",
    "sender": "alice@example.test",
    "submitter": "alice@example.test",
    "received_at": 1_700_000_000.0,
    "size": 12_345,
    "hold_until": None,
    "require_tls": True,
    "recipients": [
        {
            "address": "bob@\x1b[31mother.test",
            "state": "due",
            "courier": "relay",
            "attempts": 2,
            "next_attempt": 0.0,
            "last_attempt": 1_700_000_100.0,
            "status": "4.4.1",
            "text": "no answer",
            "active": False,
            "history": [
                {
                    "at": 1_700_000_100.0,
                    "state": "due",
                    "status": "4.4.1",
                    "text": "no answer",
                    "host": "mx.other.test",
                    "address": "192.0.2.1",
                    "reply": "421-4.3.2 busy\n421 4.3.2 \x1b[31mlater",
                    "tls": "TLSv1.3",
                    "why": "opportunistic",
                }
            ],
        },
        {
            "address": "carl@other.test",
            "state": "sent",
            "courier": "relay",
            "attempts": 1,
            "next_attempt": None,
            "last_attempt": 1_700_000_100.0,
            "status": "2.0.0",
            "text": "taken",
            "active": False,
            "history": [],
        },
    ],
}


class Fake:
    """A running server with three messages."""

    def __init__(self) -> None:
        self.ids = ["a1", "a2", "a3"]
        self.asked: list[tuple[str, Any]] = []

    def entry(self, id: str) -> dict[str, Any]:
        if id not in self.ids:
            raise UserError(f"no such message in the queue: {id} (see: mailsuite queue list)")
        first, *others = ENTRY["recipients"]
        soon = {**first, "next_attempt": time.time() + 3700}
        return {**ENTRY, "id": id, "recipients": [soon, *others]}

    async def list(self, after: str, limit: int) -> Any:
        return [self.entry(id) for id in self.ids if id > after][:limit]

    async def show(self, id: str) -> Any:
        return self.entry(id)

    async def retry(self, id: str | None) -> Any:
        self.asked.append(("retry", id))
        return 3 if id is None else 1

    async def hold(self, id: str) -> Any:
        self.entry(id)
        self.asked.append(("hold", id))
        return 1

    async def drop(self, id: str) -> Any:
        self.asked.append(("drop", id))

    async def status(self) -> Any:
        return {
            "version": "9.9",
            "hostname": "mail.example.test",
            "data": "/data",
            "started_at": time.time() - 90_000,
            "listeners": [
                {"name": "imap", "host": "::", "port": 143, "tls": "starttls", "sessions": 7}
            ],
            "queue": {"messages": 3, "due": 3, "active": 0, "held": 1, "sent": 3, "bounced": 0},
            "relay": [
                {"name": "a.test", "attempts": 2, "idle": 1, "left_alone": 0.0, "why": ""},
                {"name": "b.test", "attempts": 0, "idle": 0, "left_alone": 61.0, "why": "gone"},
            ],
            "proxied": {"imap": {"connections": 12, "untrusted": 3, "bad_headers": 1}},
            "fetch": [
                {"user": "al", "host": "pop.b.test", "failures": 0, "error": ""},
                {"user": "bo", "host": "pop.b.test", "failures": 2, "error": "no answer"},
            ],
            "loop_lag": 0.0123,
            "versions": {"python": "3.11", "sqlite": "3.50"},
        }


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[Fake]:
    made = Fake()
    control = Server(
        tmp_path,
        {
            "status": made.status,
            "queue.list": made.list,
            "queue.show": made.show,
            "queue.retry": made.retry,
            "queue.hold": made.hold,
            "queue.release": made.hold,
            "queue.drop": made.drop,
        },
    )
    await control.start()
    yield made
    await control.stop()


async def call(data: Path, *arguments: str) -> int:
    return await asyncio.to_thread(run, [*arguments, "--data", str(data)])


async def test_the_queue_is_listed_page_by_page(
    fake: Fake,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_commands, "PAGE", 2)
    assert await call(tmp_path, "queue", "list", "--json") == 0
    assert [entry["id"] for entry in json.loads(capsys.readouterr().out)] == ["a1", "a2", "a3"]
    assert await call(tmp_path, "queue", "list") == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["ID", "Received", "Size", "Sender"]
    assert "12.3 kB  alice@example.test  bob@\ufffd[31mother.test and 1 more" in first
    assert first.endswith("1 due, 1 sent  in 1h 1m")


async def test_a_message_is_shown(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await call(tmp_path, "queue", "show", "a2") == 0
    out = capsys.readouterr().out
    assert "ID          a2\n" in out
    assert "TLS         required by the sender\n" in out
    assert "  2023-11-14 22:15:00  deferred: 4.4.1 no answer\n" in out
    assert "    Host    mx.other.test [192.0.2.1]\n    Reply   421-4.3.2 busy\n" in out
    assert "            421 4.3.2 \ufffd[31mlater\n    TLS     TLSv1.3 (opportunistic)\n" in out
    assert "\x1b" not in out
    assert await call(tmp_path, "queue", "show", "a2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["recipients"][1]["status"] == "2.0.0"
    assert await call(tmp_path, "queue", "show", "zz") == 1
    assert capsys.readouterr().err == (
        "mailsuite: no such message in the queue: zz (see: mailsuite queue list)\n"
    )


async def test_the_server_is_asked_to_act(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await call(tmp_path, "queue", "retry", "--all") == 0
    assert capsys.readouterr().out == "3 recipients to be attempted now\n"
    assert await call(tmp_path, "queue", "retry", "a1", "a2") == 0
    assert await call(tmp_path, "queue", "hold", "a1") == 0
    assert await call(tmp_path, "queue", "release", "a1") == 0
    assert await call(tmp_path, "queue", "drop", "a3") == 0
    assert "message a3 dropped\n" in capsys.readouterr().out
    assert fake.asked == [
        ("retry", None),
        ("retry", "a1"),
        ("retry", "a2"),
        ("hold", "a1"),
        ("hold", "a1"),
        ("drop", "a3"),
    ]
    assert await call(tmp_path, "queue", "hold", "zz") == 1
    assert await call(tmp_path, "queue", "retry") == 2
    assert await call(tmp_path, "queue", "retry", "a1", "--all") == 2
    assert await call(tmp_path, "queue", "hold") == 2


async def test_status(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await call(tmp_path, "status") == 0
    out = capsys.readouterr().out
    assert out.startswith("mailsuite 9.9 on mail.example.test, running for 1d 1h\n")
    assert "imap      ::        143  starttls         7\n" in out
    assert "  imap behind a proxy: 12 connections, refused 3 from elsewhere and 1 with" in out
    assert "Fetch: 2 accounts, 1 of them failing\n  bo at pop.b.test: no answer\n" in out
    assert "  To a.test: 2 under way, 1 connections unused\n" in out
    assert "  To b.test: tried again in 1m 1s: gone\n" in out
    assert await call(tmp_path, "status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["running"], found["queue"]["messages"]) == (True, 3)


def test_no_server_is_an_exit_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in (tmp_path, tmp_path / "missing"):
        assert run(["status", "--data", str(data)]) == 3
        assert capsys.readouterr().err.startswith("mailsuite: no ")
        assert run(["status", "--json", "--data", str(data)]) == 3
        assert json.loads(capsys.readouterr().out) == {"running": False}


def test_the_queue_of_a_stopped_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["queue", "list", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "the queue is empty\n"
    assert run(["queue", "retry", "--all", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 recipients to be attempted when the server starts\n"
    for action in ("show", "hold", "release", "drop", "retry"):
        assert run(["queue", action, "abc", "--data", str(tmp_path)]) == 1
        assert "no such message in the queue: abc" in capsys.readouterr().err
