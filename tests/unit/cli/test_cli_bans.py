"""`mailsuite bans`: who is banned, by which words one names them, and what is printed."""

import json
import time
from pathlib import Path

import pytest

from mailsuite.cli import run
from mailsuite.signin import Ban, Bans


@pytest.fixture
def data(tmp_path: Path) -> Path:
    bans = Bans(tmp_path / "bans.db")
    now = time.time()
    bans.put(Ban("address", "198.51.100.9", now, now + 600, 1))
    bans.put(Ban("address", "2001:db8::/64", now, now + 60))
    bans.put(Ban("account", "alice@example.test", now, now + 6))
    bans.put(Ban("address", "192.0.2.1", now - 60, now - 1))
    bans.close()
    return tmp_path


def test_listed_lifted_added(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def bans(*arguments: str, code: int = 0) -> str:
        assert run(["bans", *arguments, "--data", str(data)]) == code
        out, err = capsys.readouterr()
        return out + err

    assert [ban["key"] for ban in json.loads(bans("list", "--json"))] == [
        "198.51.100.9",
        "2001:db8::/64",
        "alice@example.test",
    ]
    assert "192.0.2.1" not in bans("list")  # it is over
    assert bans("lift", "198.51.100.9") == "address 198.51.100.9 may sign in again\n"
    assert "not banned: 198.51.100.9" in bans("lift", "198.51.100.9", code=1)
    assert bans("lift", "2001:db8::ffff") == "address 2001:db8::/64 may sign in again\n"
    bans("add", "2001:db8:0:1::7", "--for", "2h")
    assert bans("lift", "2001:db8:0:1::/64") == "address 2001:db8:0:1::/64 may sign in again\n"
    assert bans("lift", "Alice@example.test").startswith("account alice@example.test may")
    assert "is banned until" in bans("add", "bob@example.test", "--for", "30m")
    (bob,) = json.loads(bans("list", "--json"))
    assert (bob["kind"], round(bob["until"] - bob["since"])) == ("account", 1800)
    assert "neither an IP address nor an account: alice" in bans("lift", "alice", code=1)
    assert "expected a duration" in bans("add", "192.0.2.1", "--for", "soon", code=1)
    for network in ("192.0.2.0/24", "2001:db8::/32"):
        assert f"{network} is a network" in bans("add", network, code=1)
    bans("lift", code=2)
    assert "bob@example.test may sign in again" in bans("lift", "--all")
    assert bans("list") == "no bans\n"
