"""Inexact matching: what is near enough, and how near."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd.fuzzy import distance, pattern
from mailsuite.message import fold


@pytest.mark.parametrize(
    ("wanted", "text", "score"),
    [
        ("IMAP break", "how to imap breaks", 100),  # as it stands
        ("IMAP break", "break my IMAP", 90),  # in another order
        ("IMAP break", "breaking IMAP", 82),
        ("reak imap", "IMAP: breaking", 72),
        ("receive", "we recieve it", 50),  # swapped
        ("receive", "we receve it", 50),  # missing
        ("receive", "we rexeive it", 50),  # wrong
        ("receive", "we receiive it", 50),  # too many
        ("receive", "we rexxive it", 0),
        ("strawberries", "strowberies", 30),  # two, in a long word
        ("helo", "hello there", 50),
        ("helo", "help", 50),
        ("work", "wirk", 0),  # of a short word, one end is as it is
        ("the", "she", 0),  # very short words are as they are
        ("muller", "M\u00fcller", 90),
        ("M\u00fcller", "muller", 90),
        ("\u53d1\u7968", "\u5f00\u53d1\u7968\u636e", 100),
        ("a b", "b", 0),
        ("", "anything", 100),
        ("!?", "what!?", 100),
        ("!?", "what", 0),
    ],
)
def test_score(wanted: str, text: str, score: int) -> None:
    assert pattern(wanted).score([fold(text)]) == score


def test_words_may_be_in_different_texts() -> None:
    assert pattern("alice invoice").score([fold("From: alice"), fold("the invoice")]) == 90


@given(st.text("abc", max_size=8), st.text("abc", max_size=8), st.integers(0, 3))
def test_distance(one: str, other: str, limit: int) -> None:
    def slow(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        best = min(slow(i - 1, j) + 1, slow(i, j - 1) + 1)
        best = min(best, slow(i - 1, j - 1) + (one[i - 1] != other[j - 1]))
        if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
            best = min(best, slow(i - 2, j - 2) + 1)
        return best

    if len(one) + len(other) > 10:
        return
    assert min(distance(one, other, limit), limit + 1) == min(slow(len(one), len(other)), limit + 1)


@given(st.text(max_size=20), st.text(max_size=60))
def test_what_matches_exactly_matches(wanted: str, text: str) -> None:
    score = pattern(wanted).score([fold(text)])
    assert 0 <= score <= 100
    if fold(wanted) in fold(text):
        assert score == 100
