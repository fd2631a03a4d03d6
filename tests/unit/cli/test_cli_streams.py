"""What commands print reaches terminals and files of every kind, and no trouble is a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MESSAGE = (
    "From: =?utf-8?q?B=C3=BCcher?= <a@x.test>\r\nSubject: =?utf-8?b?7ZWc6rWt?=\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\none\r\n--b--\r\n'
)


def mailsuite(
    *arguments: str | bytes, shell: str = '"$@"', **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The program itself, run by a line of shell that sees its words as "$@"."""
    return subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-m", "mailsuite", *arguments],
        check=False,
        capture_output=True,
        env=os.environ | environment,
        timeout=60,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("what", [["config", "sample"], ["user", "--help"]])
def test_a_full_disk_is_told(what: list[str]) -> None:
    done = mailsuite(*what, shell='"$@" > /dev/full')
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "mailsuite: cannot write to the standard output: No space left on device\n"
    )


def test_a_reader_may_go_and_a_stream_may_be_closed() -> None:
    assert mailsuite("config", "sample", shell='"$@" | true').stderr == b""
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = mailsuite("config", "sample", shell=f'"$@" {closed}')
        assert (done.returncode, done.stderr) == (0, b"")


def test_characters_that_a_terminal_lacks(tmp_path: Path) -> None:
    file = tmp_path / "letter.eml"
    file.write_text(MESSAGE)
    for encoding, sender in (("latin-1", b"B\xfccher"), ("ascii", b"B?cher")):
        done = mailsuite("message", "show", str(file), PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, b"")
        assert sender in done.stdout
        assert b"Subject:    ??\n" in done.stdout
        assert b"`-- 1 text/plain" in done.stdout


@pytest.mark.parametrize("what", [["why"], ["queue", "show"], ["queue", "hold"]])
def test_an_id_that_is_no_text(what: list[str], tmp_path: Path) -> None:
    done = mailsuite(*what, b"\xff", "--data", str(tmp_path))
    assert done.returncode == 2
    assert b"is not UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr
