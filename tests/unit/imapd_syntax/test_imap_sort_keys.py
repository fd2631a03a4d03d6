"""What SORT and THREAD compare."""

from array import array
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd import facets, sort_keys


def keys(header: str) -> dict[str, bytes]:
    message = header.replace("\n", "\r\n").encode() + b"\r\n\r\nBody.\r\n"
    return dict(zip(facets.NAMES, facets.compute(message), strict=True))


def text(header: str, name: str) -> str:
    return keys(header)[f"sort_{name}"].decode()


def ids(header: str) -> list[int]:
    return array("Q", keys(header)["thread_ids"]).tolist()


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        ("Date: 31 Dec 2000 16:01:33 -0800", datetime(2001, 1, 1, 0, 1, 33, tzinfo=UTC)),
        ("Date: 1 Jan 1960 00:00 +0000", datetime(1960, 1, 1, tzinfo=UTC)),
        ("Date: 1 Jan 2001 12:00:00 nonsense", datetime(2001, 1, 1, 12, tzinfo=UTC)),
        ("Date: 1 Jan 2001 25:61:00", datetime(2001, 1, 1, tzinfo=UTC)),
        ("Date: yesterday", None),
        ("Date:", None),
        ("X: y", None),
    ],
)
def test_date(header: str, moment: datetime | None) -> None:
    """RFC 5256 §2.2."""
    octets = keys(header)["sort_date"]
    if moment is None:
        assert octets == b""
    else:
        assert int.from_bytes(octets, "little", signed=True) == moment.timestamp()


@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        ("Subject: Re: [x] Hello", "subject", "HELLO"),
        ("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "subject", "GRU\u0308ßE"),
        ("X: y", "subject", ""),
        ("From: Joe <joe@example.test>, Ann <ann@example.test>", "from", "JOE"),
        ("From: Joe <joe@example.test>", "displayfrom", "JOE"),
        ("From: joe@example.test", "displayfrom", "JOE@EXAMPLE.TEST"),
        ("From: joe@example.test (Joe S)", "displayfrom", "JOE S"),
        ('From: "" <joe@example.test>', "displayfrom", "JOE@EXAMPLE.TEST"),
        ("From: =?utf-8?q?J=C3=BC?= <j@example.test>", "displayfrom", "JU\u0308"),
        ("From: joe", "displayfrom", "JOE"),
        ("From: joe", "from", "JOE"),
        ("X: y", "displayfrom", ""),
        ("X: y", "from", ""),
        ("From:", "from", ""),
        ("To: A list: joe@example.test;", "to", "A LIST"),
        ("To: A list: joe@example.test;", "displayto", "A LIST"),
        ("To: Ann <ann@example.test>", "displayto", "ANN"),
        ("To: a@x\nTo: b@x", "to", "A"),
        ("Cc: zoe@example.test", "cc", "ZOE"),
    ],
)
def test_texts(header: str, name: str, value: str) -> None:
    """RFC 5256 §3, RFC 5957 §3."""
    assert text(header, name) == value


def test_ids() -> None:
    reply, own, *references = ids(
        "Message-ID: <a@b>\nReferences: <c@d>\n <e@f>\nIn-Reply-To: <g@h>"
    )
    assert (reply, len(references)) == (0, 2)
    assert own == ids('Message-ID: <"a"@b>')[1]
    assert references == [ids("Message-ID: <c@d>")[1], ids("Message-ID: <e@f>")[1]]
    assert own != ids("Message-ID: <A@b>")[1]


@pytest.mark.parametrize(
    ("header", "references"),
    [
        ("In-Reply-To: <g@h> of <joe@example.test>", ["g@h"]),
        ("References: nothing valid\nIn-Reply-To: <g@h>", ["g@h"]),
        ("References:\nIn-Reply-To: your message of Monday", []),
        ("References: <a@b>\nReferences: <c@d>", ["a@b", "c@d"]),
        ("X: y", []),
    ],
)
def test_which_references(header: str, references: list[str]) -> None:
    """RFC 5256 §3."""
    assert ids(header)[2:] == [ids(f"Message-ID: <{each}>")[1] for each in references]


def test_reply_and_missing_id() -> None:
    assert ids("Subject: Re: x") == [1, 0]
    assert ids("Subject: x\nMessage-ID: nonsense") == [0, 0]


@given(st.binary(max_size=300))
def test_always_well_formed(header: bytes) -> None:
    """Whatever the octets are: texts are UTF-8 and bounded, IDs are eight octets each."""
    values = dict(zip(facets.NAMES, facets.compute(header), strict=True))
    for name in sort_keys.NAMES[1:-1]:
        assert len(values[name].decode()) <= 20 * sort_keys.MAX_TEXT
    assert len(values["sort_date"]) in (0, 8)
    assert len(values["thread_ids"]) % 8 == 0
    assert len(values["thread_ids"]) >= 16
