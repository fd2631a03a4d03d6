"""sd_notify: what arrives at the service manager, and silence where there is none."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsuite.control import notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_what_is_told(manager: socket.socket) -> None:
    assert notify.ready("14 listeners\naccept")
    assert manager.recv(1000) == b"READY=1\nSTATUS=14 listeners accept"
    assert notify.ready()
    assert manager.recv(1000) == b"READY=1"
    assert notify.reloading()
    first, second = manager.recv(1000).split(b"\n")
    assert first == b"RELOADING=1"
    assert second.startswith(b"MONOTONIC_USEC=")
    assert int(second[15:]) > 0
    assert notify.stopping("draining")
    assert manager.recv(1000) == b"STOPPING=1\nSTATUS=draining"
    assert notify.status("all is well")
    assert manager.recv(1000) == b"STATUS=all is well"


def test_silence_without_a_manager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for value in (None, "", "relative", str(tmp_path / "gone"), "@gone"):
        if value is None:
            monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        else:
            monkeypatch.setenv("NOTIFY_SOCKET", value)
        assert not notify.ready()
