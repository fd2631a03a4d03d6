"""A file as octets: slices and searches are those of bytes, whatever the window is."""

import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import scan
from mailsuite.store import content

octets = st.text("ab\r\n-", max_size=60).map(str.encode)
places = st.integers(0, 70)


@given(
    octets,
    st.lists(st.tuples(octets.filter(lambda sub: 0 < len(sub) < 5), places, places), max_size=8),
    st.integers(4, 20),
)
def test_as_bytes(data: bytes, asked: list[tuple[bytes, int, int]], window: int) -> None:
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(content, "CHUNK", window)
        file.write(data)
        file.flush()
        there = content.FileOctets(file.fileno(), len(data))
        assert len(there) == len(data)
        for sub, start, end in asked:
            assert there.find(sub, start, end) == data.find(sub, start, end)
            assert there.find(sub, start) == data.find(sub, start)
            assert there[start:end] == data[start:end]
        assert scan(there) == scan(data)
