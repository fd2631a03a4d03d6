"""Rewritten senders: they come back to the author, and nobody else can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.routing import Srs
from mailsuite.routing.srs import DAY, MAX_LOCAL

NOW = 1_800_000_000.0
OURS, THEIRS = Srs(b"k" * 32, lambda: NOW), Srs(b"t" * 32, lambda: NOW)


def local(address: str) -> str:
    return address.rpartition("@")[0]


def forwarded(by: Srs, sender: str, domain: str) -> str:
    rewritten = by.forward(sender, domain)
    assert rewritten is not None
    return rewritten


atoms = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}", fullmatch=True)


@given(name=atoms, host=st.from_regex(r"[a-z0-9]{1,9}\.(test|example)", fullmatch=True))
def test_there_and_back(name: str, host: str) -> None:
    """Invariant: the author's address comes out again, in whatever case it was kept on the way."""
    author = f"{name}@{host}"
    sender = forwarded(OURS, author, "example.test")
    assert sender.endswith("@example.test") and len(local(sender)) <= MAX_LOCAL
    if name.startswith(("srs0=", "srs1=")):
        return
    assert OURS.reverse(local(sender)) == author
    assert OURS.reverse(local(sender).upper()) == author.upper()


def test_forwarded_twice_and_thrice() -> None:
    first = forwarded(THEIRS, "alice@author.test", "first.test")
    second = forwarded(OURS, first, "second.test")
    third = forwarded(THEIRS, second, "third.test")
    assert local(second).startswith("SRS1=") and "=first.test=" in second
    assert THEIRS.reverse(local(third)) == first == OURS.reverse(local(second))


@pytest.mark.parametrize("author", ["", "nobody"])
def test_what_has_no_domain_stays(author: str) -> None:
    assert OURS.forward(author, "example.test") == author


@pytest.mark.parametrize(
    "author",
    [
        '"a b"@author.test',
        "x" * 50 + "@author.test",
        "a@" + "x" * 60 + ".test",
        "a@[192.0.2.1]",
        "a@Kept",
    ],
)
def test_what_finds_no_room_is_for_others_to_keep(author: str) -> None:
    assert OURS.forward(author, "example.test") is None
    name = OURS.kept_name(author)
    sender = OURS.forward_kept(name, "example.test")
    assert sender.endswith("@example.test") and len(local(sender)) <= MAX_LOCAL
    assert OURS.reverse(local(sender)) == f"{name}@kept"
    with pytest.raises(ValueError, match="no return address"):
        THEIRS.reverse(local(sender))


def test_a_kept_name_is_the_same_for_a_day() -> None:
    later = Srs(OURS.secret, lambda: NOW + DAY)
    names = {OURS.kept_name("a@b.test"), OURS.kept_name("A@b.test"), later.kept_name("a@b.test")}
    assert len(names) == 3 and OURS.kept_name("a@b.test") in names


def test_forged_and_expired_ones_are_refused() -> None:
    theirs = local(forwarded(THEIRS, "alice@author.test", "example.test"))
    with pytest.raises(ValueError, match="no return address"):
        OURS.reverse(theirs)
    made = local(forwarded(OURS, "alice@author.test", "example.test"))
    with pytest.raises(ValueError, match="no return address"):
        OURS.reverse(made.replace("alice", "malice"))
    for days, good in ((0, True), (21, True), (22, False), (500, False)):
        later = Srs(OURS.secret, lambda days=days: NOW + days * DAY)  # type: ignore[misc]
        if good:
            assert later.reverse(made) == "alice@author.test"
        else:
            with pytest.raises(ValueError, match="expired"):
                later.reverse(made)


@given(st.text(max_size=80))
def test_any_local_part(text: str) -> None:
    """Invariant: an address of somebody else's is None or refused, never anything else."""
    for given_text in (text, f"SRS0={text}", f"SRS1={text}", f"SRS0=abcdef=aa={text}"):
        try:
            assert OURS.reverse(given_text) is None
        except ValueError:
            pass
