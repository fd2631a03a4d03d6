"""Durable files: whole or absent, and nothing left over after a failure."""

import errno
import os
from pathlib import Path

import pytest

from mailsuite.base import durable


def test_write_new_writes_all_chunks(tmp_path: Path) -> None:
    size = durable.write_new(tmp_path / "m", [b"one", b"", b"two"])
    assert size == 6
    assert (tmp_path / "m").read_bytes() == b"onetwo"
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o600


def test_write_new_never_overwrites(tmp_path: Path) -> None:
    durable.write_new(tmp_path / "m", [b"first"])
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "m", [b"second"])
    assert (tmp_path / "m").read_bytes() == b"first"


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_failing_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space"):
        durable.write_new(tmp_path / "m", [b"octets"])
    assert list(tmp_path.iterdir()) == []


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    durable.write_new(tmp_path / "m", [b"0123456789"])
    assert (tmp_path / "m").read_bytes() == b"0123456789"


def test_replace_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "settings"
    durable.replace(target, b"old")
    durable.replace(target, b"new")
    assert target.read_bytes() == b"new"

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        durable.replace(target, b"newer")
    assert target.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["settings"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 17])
def test_each_of_many_is_told_what_went_wrong_with_it(tmp_path: Path, count: int) -> None:
    files = [durable.begin_new(tmp_path / str(number), [b"x"])[0] for number in range(count)]
    folder = os.open(tmp_path, os.O_RDONLY)
    read_end, write_end = os.pipe()  # nothing that could be made durable
    try:
        found = durable.sync_all([*files, read_end, folder])
        assert [error is None for error in found] == [True] * count + [False, True]
    finally:
        for fd in (*files, folder, read_end, write_end):
            os.close(fd)
