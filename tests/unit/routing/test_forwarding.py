"""Senders of forwarded mail, long ones above all: ours and short, and their bounces come back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsuite.accounts import Directory
from mailsuite.mail import Alias, Unknown
from mailsuite.message import quote_local
from mailsuite.routing import KeptSenders, Router, Srs
from mailsuite.routing.srs import DAY, MAX_LOCAL

NOW = 1_800_000_000.0
VERP = "news-bounces+list-2026-11-28-0001-alice=example.test-and-some-more-words-of-it@lists.test"
LIST = "list@example.test"


@dataclass
class Host:
    """A host's router, with what it keeps in `folder`."""

    router: Router
    kept: KeptSenders
    now: float = NOW

    def forward(self, sender: str, alias: str = LIST) -> str:
        return asyncio.run(self.router.forwarded_as(sender, alias))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    directory = Directory(tmp_path / "accounts.db")
    directory.add_domain("example.test")
    directory.add_alias(LIST, ["far@elsewhere.test"])
    directory.close()
    return tmp_path


@contextmanager
def running(folder: Path, *, now: float = NOW, key: bytes = b"k" * 32) -> Iterator[Host]:
    directory = Directory(folder / "accounts.db")
    kept = KeptSenders(folder / "srs.db")
    srs = Srs(key, lambda: host.now)
    router = Router(directory, hostname="mx.host.test", srs=srs, kept=kept)
    host = Host(router, kept, now)
    try:
        yield host
    finally:
        kept.close()
        directory.close()


def local(address: str) -> str:
    return address.rpartition("@")[0]


def rows(folder: Path) -> list[str]:
    db = apsw.Connection(str(folder / "srs.db"))
    try:
        return [address for (address,) in db.execute("SELECT address FROM sender ORDER BY number")]
    finally:
        db.close()


def senders() -> st.SearchStrategy[str]:
    words = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc")), max_size=90)
    plain = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,90}", fullmatch=True)
    hosts = st.from_regex(r"[a-z0-9]{1,60}(\.[a-z0-9]{1,60}){0,2}|\[192\.0\.2\.1\]", fullmatch=True)
    return st.builds(
        lambda name, host: f"{quote_local(name)}@{host}", st.one_of(words, plain), hosts
    )


def test_any_sender_comes_back(folder: Path) -> None:
    """Invariant: it is ours, has at most 64 octets, and its bounce finds the author."""
    with running(folder) as host:

        @settings(max_examples=60, deadline=None)
        @given(senders())
        def check(sender: str) -> None:
            made = host.forward(sender)
            assert made.endswith("@example.test")
            assert len(local(made).encode()) <= MAX_LOCAL
            assert quote_local(local(made)) == local(made), "a Dot-string"
            if local(sender)[:4].upper() not in ("SRS0", "SRS1"):
                assert host.router.route(made) == Alias(made, (sender,))

        check()


def test_a_restart_changes_nothing(folder: Path) -> None:
    with running(folder) as host:
        made = host.forward(VERP)
        assert host.forward(VERP) == made and rows(folder) == [VERP]
        # It was durable before it was given.
        with running(folder) as again:
            assert again.router.accept(made.upper()) == Alias(made.upper(), (VERP,))
            assert again.forward(VERP) == made and rows(folder) == [VERP]


def test_what_others_have_made_already(folder: Path) -> None:
    """SRS addresses of hosts before us that leave no room go back to these hosts."""
    theirs = "SRS0=abcd=aa=" + "x" * 40 + ".test=someone@first.test"
    twice = "SRS1=abcd=first.test==abcd=aa=" + "x" * 40 + ".test=someone@second.test"
    by_name = "SRS1=abcd=kept==abcd=aa=x=aaaaaaaaaaaa@second.test"
    with running(folder) as host:
        for sender in (theirs, twice, by_name, by_name.replace("kept", "Kept")):
            made = host.forward(sender)
            assert len(local(made)) <= MAX_LOCAL and made.endswith("@example.test")
            assert host.router.route(made) == Alias(made, (sender,))


def test_they_expire_and_are_cleared_away(folder: Path) -> None:
    with running(folder) as host:
        made = host.forward(VERP)
        host.now = NOW + 21 * DAY
        assert host.router.accept(made) == Alias(made, (VERP,))
        assert host.forward(f"a{VERP}") and len(rows(folder)) == 2
        host.now = NOW + 22 * DAY
        assert host.router.accept(made) == Unknown(made)
        host.now = NOW + 23 * DAY
        assert host.forward(f"b{VERP}") and rows(folder) == [f"a{VERP}", f"b{VERP}"]


def test_forged_ones_are_nobody(folder: Path) -> None:
    with running(folder) as host, running(folder, key=b"t" * 32) as theirs:
        made = host.forward(VERP)
        forged = [
            theirs.forward(VERP),
            made[:-20] + "a" * 7 + made[-13:],
            f"SRS0=abcdef=aa=kept={'a' * 12}@example.test",
            "SRS1=abcdef=kept==abcdef=aa=x=y@example.test",
        ]
        for address in forged:
            assert host.router.accept(address) == Unknown(address)


def test_the_oldest_go_first(folder: Path) -> None:
    kept = KeptSenders(folder / "srs.db", most=3)
    with structlog.testing.capture_logs() as events:
        for number in range(5):
            assert asyncio.run(kept.keep(f"n{number}", f"{number}@far.test", 1))
    # Its operator is told, once a day.
    assert [(each["log_level"], each["room"]) for each in events] == [("warning", 3)]
    assert [kept.find(f"n{number}") for number in range(3)] == [None, None, "2@far.test"]
    kept.close()
    assert rows(folder) == ["2@far.test", "3@far.test", "4@far.test"]


def test_two_that_get_the_same_name_by_chance(folder: Path) -> None:
    kept = KeptSenders(folder / "srs.db")
    assert asyncio.run(kept.keep("same", "a@far.test", 1))
    assert not asyncio.run(kept.keep("same", "b@far.test", 1))
    assert kept.find("same") == "a@far.test"
    kept.close()


def test_a_broken_file_is_told_of_and_mail_goes_on(folder: Path) -> None:
    file = folder / "srs.db"
    file.write_bytes(b"no database, but some text that is longer than its header would be " * 9)
    with structlog.testing.capture_logs() as events, running(folder) as host:
        assert host.forward(VERP) == VERP
        assert [each["log_level"] for each in events] == ["warning"] * 2
        assert all(str(file) == each["file"] and each["why"] for each in events)
        assert host.forward("alice@author.test").startswith("SRS0=")
        file.unlink()
        made = host.forward(VERP)
        assert made.startswith("SRS0=") and host.router.route(made) == Alias(made, (VERP,))


def test_a_text_that_is_none_is_a_broken_file_too(folder: Path) -> None:
    with running(folder) as host:
        host.forward(VERP)
    db = apsw.Connection(str(folder / "srs.db"))
    db.execute("UPDATE sender SET address = CAST(x'ff41' AS TEXT)")
    db.close()
    with structlog.testing.capture_logs() as events, running(folder) as host:
        assert host.forward(VERP) == VERP
        assert [each["log_level"] for each in events] == ["warning"] * 2
        (folder / "srs.db").unlink()
        made = host.forward(VERP)
        assert host.router.route(made) == Alias(made, (VERP,))


def test_mail_to_the_host_itself_goes_on_from_a_domain_of_ours(folder: Path) -> None:
    """A return address at the host's own name, or at none, would be nobody's."""
    with running(folder) as host:
        for alias in ("postmaster", "postmaster@mx.host.test"):
            made = host.forward("alice@author.test", alias)
            assert host.router.route(made) == Alias(made, ("alice@author.test",))
        assert host.forward("", "postmaster") == ""
