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


atoms = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}", fullmatch=True)


@given(name=atoms, host=st.from_regex(r"[a-z0-9]{1,9}\.(test|example)", fullmatch=True))
def test_there_and_back(name: str, host: str) -> None:
    """Invariant: the author's address comes out again, in whatever case it was kept on the way."""
    author = f"{name}@{host}"
    sender = OURS.forward(author, "example.test")
    assert sender.endswith("@example.test") and len(local(sender)) <= MAX_LOCAL
    if name.startswith(("srs0=", "srs1=")):
        return
    assert OURS.reverse(local(sender)) == author
    assert OURS.reverse(local(sender).upper()) == author.upper()


def test_forwarded_twice_and_thrice() -> None:
    first = THEIRS.forward("alice@author.test", "first.test")
    second = OURS.forward(first, "second.test")
    third = THEIRS.forward(second, "third.test")
    assert local(second).startswith("SRS1=") and "=first.test=" in second
    assert THEIRS.reverse(local(third)) == first == OURS.reverse(local(second))


@pytest.mark.parametrize(
    "author",
    ["", '"a b"@author.test', "nobody", "x" * 50 + "@author.test", "a@" + "x" * 60 + ".test"],
)
def test_what_can_not_be_rewritten_stays(author: str) -> None:
    assert OURS.forward(author, "example.test") == author


def test_forged_and_expired_ones_are_refused() -> None:
    theirs = local(THEIRS.forward("alice@author.test", "example.test"))
    with pytest.raises(ValueError, match="no return address"):
        OURS.reverse(theirs)
    made = local(OURS.forward("alice@author.test", "example.test"))
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
