"""Base subjects, against a table and against the procedure of RFC 5256 §2.1 taken literally."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.message import base_subject


@pytest.mark.parametrize(
    ("value", "base", "reply"),
    [
        (b"", "", False),
        (b" ", "", False),
        (b"Hello", "Hello", False),
        (b" Hello,\r\n\t  world ", "Hello, world", False),
        (b"Re: Hello", "Hello", True),
        (b"RE:Hello", "Hello", True),
        (b"re : Hello", "Hello", True),
        (b"Fw: Hello", "Hello", True),
        (b"Fwd: Hello", "Hello", True),
        (b"fwdd: Hello", "fwdd: Hello", False),
        (b"Rep: Hello", "Rep: Hello", False),
        (b"Re Hello", "Re Hello", False),
        (b"Re: re: FW: fwd:Hello", "Hello", True),
        (b"Re[2]: Hello", "Hello", True),
        (b"Re [list] : Hello", "Hello", True),
        (b"Re[2][3]: Hello", "Re[2][3]: Hello", False),
        (b"[list] Hello", "Hello", False),
        (b"[list] [other]Hello", "Hello", False),
        (b"[list] Re: Hello", "Hello", True),
        (b"Re: [list] Hello", "Hello", True),
        (b"Re: [list] Re: [other] Hello", "Hello", True),
        (b"[list]", "[list]", False),
        (b"[list] [other]", "[other]", False),
        (b"Re: [list]", "[list]", True),
        (b"[list] Re:", "", True),
        (b"Re:", "", True),
        (b"[a[b]c] Hello", "[a[b]c] Hello", False),
        (b"[list Hello", "[list Hello", False),
        (b"Hello (fwd)", "Hello", True),
        (b"Hello (FWD)(fwd) ", "Hello", True),
        (b"(fwd)", "", True),
        (b"Hello (fwd", "Hello (fwd", False),
        (b"[fwd: Hello]", "Hello", True),
        (b"[Fwd: Re: [list] Hello (fwd)]", "Hello", True),
        (b"[fwd: [fwd: Hello]]", "Hello", True),
        (b"[fwd: Hello", "[fwd: Hello", False),
        (b"[fwd: Hello] there", "there", False),
        (b"[fwd:]", "", True),
        (b"Re: [fwd: Hello] (fwd)", "Hello", True),
        (b"=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "Grüße", True),
        (b"Re: =?iso-8859-1?q?Gr=FC=DFe?= =?iso-8859-1?q?_an_alle?=", "Grüße an alle", True),
        (b"=?utf-8?q?Re=3A=0D=0A?= Hello", "Hello", True),
        ("Réponse: Hello".encode(), "Réponse: Hello", False),
        ("ſubject".encode(), "ſubject", False),
    ],
)  # fmt: skip
def test_base_subject(value: bytes, base: str, reply: bool) -> None:
    found = base_subject(value)
    assert (found.base, found.reply) == (base, reply)


BLOB = r"\[[^\[\]]*\] *"
REFWD = rf"(?:re|fwd?) *(?:{BLOB})?:"
LEADER = re.compile(rf"(?:{BLOB})*{REFWD}| ", re.IGNORECASE | re.ASCII)
TRAILER = re.compile(r"(?:\(fwd\)| )\Z", re.IGNORECASE | re.ASCII)


def literally(text: str) -> tuple[str, bool]:
    """Steps (1) to (7), one removal at a time."""
    reply = False
    text = re.sub(r"[ \t\r\n]+", " ", text)
    while True:
        while found := TRAILER.search(text):
            reply |= found[0] != " "
            text = text[: found.start()]
        changed = True
        while changed:
            changed = False
            while found := LEADER.match(text):
                reply |= found[0] != " "
                text = text[found.end() :]
                changed = True
            if (found := re.match(BLOB, text)) and text[found.end() :]:
                text = text[found.end() :]
                changed = True
        if not (re.match(r"\[fwd:", text, re.IGNORECASE) and text.endswith("]")):
            return text, reply
        text = text[5:-1]
        reply = True


pieces = st.sampled_from(
    ["[", "]", "[a]", "re", "Re:", "fw", "fwd", "FWD:", ":", " ", "\t", "(fwd)", "[fwd:", "x", "é"]
)


@given(st.lists(pieces, max_size=20).map("".join))
@example("[fwd: [a]]")
def test_like_the_rfc_taken_literally(text: str) -> None:
    found = base_subject(text.encode())
    assert (found.base, found.reply) == literally(text)


@given(st.binary(max_size=200))
def test_never_raises(value: bytes) -> None:
    assert isinstance(base_subject(value).base, str)


@pytest.mark.parametrize("piece", [b"[a]", b"[", b"[a", b"re:", b"re [", b"(fwd)", b"[fwd:", b" ["])
def test_time_is_bounded(piece: bytes) -> None:
    began = time.perf_counter()
    base_subject(piece * 1_000_000)
    base_subject(piece * 10_000 + b"]" * 10_000)
    assert time.perf_counter() - began < 5
