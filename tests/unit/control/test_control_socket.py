"""The control socket: requests and answers, refusals, bounds, folders with long names."""

import asyncio
import io
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailsuite.base import log
from mailsuite.base.errors import UserError
from mailsuite.control import Caller, Client, Handler, NotRunning, Server, server
from mailsuite.net import unix


async def echo(*, text: str, times: int = 1) -> Any:
    return {"text": text * times}


async def mistake() -> Any:
    raise UserError("no such message: x")


async def bug() -> Any:
    raise ZeroDivisionError("a secret")


async def begin(caller: Caller, what: str) -> Any:
    caller.at_end(lambda: ENDED.put_nowait(what))


ENDED: asyncio.Queue[str] = asyncio.Queue()


HANDLERS: dict[str, Handler] = {"echo": echo, "mistake": mistake, "bug": bug, "begin": begin}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Path]:
    control = Server(tmp_path, HANDLERS)
    await control.start()
    yield tmp_path
    await control.stop()


def ask(data: Path, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    with Client(data, timeout=10) as client:
        return [client.call(name, **arguments) for name, arguments in calls]


async def talk(data: Path, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(data / "control.sock"))
    writer.write(octets)
    writer.write_eof()
    found = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return found


async def test_work_is_told_when_its_command_has_gone(running: Path) -> None:
    """By hanging up, or by being killed: the kernel closes the socket then."""
    client = await asyncio.to_thread(Client, running, timeout=10)
    for what in ("first", "second"):
        await asyncio.to_thread(lambda what=what: client.call("begin", what=what))
    await asyncio.to_thread(ask, running, ("begin", {"what": "of another"}))
    async with asyncio.timeout(10):
        assert await ENDED.get() == "of another"
        client.close()
        assert [await ENDED.get() for _ in range(2)] == ["first", "second"]


async def test_nobody_can_say_who_calls(running: Path) -> None:
    request = {"call": "begin", "args": {"what": "x", "caller": "me"}}
    assert b"does not know this request" in await talk(
        running, json.dumps(request).encode() + b"\n"
    )


async def test_questions_are_answered(running: Path) -> None:
    answers = await asyncio.to_thread(
        ask, running, ("echo", {"text": "ä"}), ("echo", {"text": "b" * 1000, "times": 1000})
    )
    assert answers == [{"text": "ä"}, {"text": "b" * 1_000_000}]


@pytest.fixture
def logged() -> io.StringIO:
    """What is written to the log."""
    stream = io.StringIO()
    log.configure(stream=stream)
    return stream


async def test_errors_are_told_as_what_they_are(running: Path, logged: io.StringIO) -> None:
    for name, arguments, told in (
        ("mistake", {}, "no such message: x"),
        ("bug", {}, "bug failed inside the server; its log has the details"),
        ("unknown", {}, "does not know this request"),
        ("echo", {}, "does not know this request"),
        ("echo", {"text": "a", "other": 1}, "does not know this request"),
    ):
        with pytest.raises(UserError, match=told):
            await asyncio.to_thread(ask, running, (name, arguments))
    assert await asyncio.to_thread(ask, running, ("echo", {"text": "ok"})) == [{"text": "ok"}]
    assert "a secret" in logged.getvalue()


@pytest.mark.parametrize(
    "octets",
    [b"\n", b"[]\n", b"{}\n", b"null\n", b"\xff\n", b'{"call": []}\n', b"[" * 5000 + b"\n",
     b'{"call": "echo", "args": [1]}\n', b'{"call": "echo", "args": null}\n'],
)  # fmt: skip
async def test_what_is_no_request_gets_an_error(running: Path, octets: bytes) -> None:
    answer = json.loads(await talk(running, octets))
    assert "does not know this request" in answer["error"]


async def test_an_endless_line_is_refused(running: Path) -> None:
    answer = json.loads(await talk(running, b"x" * (3 * server.MAX_REQUEST)))
    assert answer == {"error": "the request is too long"}
    assert await talk(running, b'{"call": "echo"') == b""


async def test_the_number_of_connections_is_bounded(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    held = [await asyncio.open_unix_connection(str(running / "control.sock")) for _ in range(2)]
    await asyncio.to_thread(lambda: None)
    with pytest.raises(UserError, match="hung up"):
        await asyncio.to_thread(ask, running, ("echo", {"text": "a"}))
    for _, writer in held:
        writer.close()
        await writer.wait_closed()


async def test_the_idle_are_sent_away(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE", 0.05)
    reader, writer = await asyncio.open_unix_connection(str(running / "control.sock"))
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()


async def test_strangers_are_refused(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "peer_uid", lambda sock: os.geteuid() + 1)
    with pytest.raises(UserError, match="hung up"):
        await asyncio.to_thread(ask, running, ("echo", {"text": "a"}))


async def test_only_the_owner_may_connect(running: Path) -> None:
    assert stat.S_IMODE((running / "control.sock").stat().st_mode) == 0o600


async def test_no_server_is_told(tmp_path: Path) -> None:
    for data in (tmp_path, tmp_path / "missing", tmp_path / ("long" * 30)):
        with pytest.raises(NotRunning, match="no server is running in"):
            Client(data)


async def test_what_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))
        dead.listen()
    with pytest.raises(NotRunning):
        Client(tmp_path)
    control = Server(tmp_path, HANDLERS)
    await control.start()
    assert await asyncio.to_thread(ask, tmp_path, ("echo", {"text": "a"})) == [{"text": "a"}]
    await control.stop()
    assert not (tmp_path / "control.sock").exists()


async def test_a_second_server_is_refused_and_harms_nothing(running: Path) -> None:
    second = Server(running, HANDLERS)
    with pytest.raises(UserError, match="another mailsuite is running"):
        await second.start()
    await second.stop()
    assert await asyncio.to_thread(ask, running, ("echo", {"text": "a"})) == [{"text": "a"}]


async def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "control.sock").write_text("mine")
    with pytest.raises(UserError, match="not a socket"):
        await Server(tmp_path, HANDLERS).start()
    assert (tmp_path / "control.sock").read_text() == "mine"


@pytest.mark.parametrize("descriptors", [True, False])
async def test_folders_with_long_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, descriptors: bool
) -> None:
    if descriptors and not Path("/proc/self/fd").is_dir():
        pytest.skip("this system has no /proc")
    if not descriptors:  # as on macOS
        short = Path("/tmp") / f"mailsuite-test-{os.getpid()}"
        short.mkdir()
        monkeypatch.setattr(unix, "_DESCRIPTORS", tmp_path / "no")
        monkeypatch.setattr("tempfile.tempdir", str(short))
    data = tmp_path / ("a" * 100) / ("b" * 100)
    data.mkdir(parents=True)
    control = Server(data, HANDLERS)
    await control.start()
    assert (data / "control.sock").exists() == descriptors
    assert await asyncio.to_thread(ask, data, ("echo", {"text": "a"})) == [{"text": "a"}]
    await control.stop()
    with pytest.raises(NotRunning):
        Client(data)
    if not descriptors:
        (folder,) = short.iterdir()
        folder.chmod(0o755)
        with pytest.raises(UserError, match="not a folder of the data folder's owner alone"):
            await Server(data, HANDLERS).start()
        folder.rmdir()
        short.rmdir()
    else:
        assert list(data.iterdir()) == []


async def test_stopping_ends_open_connections(tmp_path: Path) -> None:
    control = Server(tmp_path, HANDLERS)
    await control.start()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
    writer.write(b'{"call": "echo", "args": {"text": "a"}}\n')
    assert await reader.readline() == b'{"result": {"text": "a"}}\n'
    await asyncio.wait_for(control.stop(), 5)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await writer.wait_closed()
