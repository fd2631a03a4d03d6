"""The tables of verbs: HELP has something to say about each."""

from collections.abc import Mapping

import pytest

from mailsuite.smtpd import commands
from mailsuite.smtpd.model import Command


@pytest.mark.parametrize("table", [commands.SMTP, commands.LMTP])
def test_every_verb_is_explained(table: Mapping[bytes, Command]) -> None:
    for verb, command in table.items():
        assert verb == verb.upper()
        assert command.syntax.split()[0] == verb.decode()
        assert command.help.endswith(".") and len(command.help) > 15
        # A reply's line has 512 octets at the most (RFC 5321 §4.5.3.1.5).
        assert len(command.help) < 500 and len(command.syntax) < 500


def test_what_lmtp_has_not() -> None:
    """RFC 2033 §4.1: HELO and EHLO are not there."""
    assert not {b"HELO", b"EHLO", b"AUTH", b"ETRN"} & set(commands.LMTP)
    assert b"LHLO" not in commands.SMTP
    assert {b"LHLO", b"MAIL", b"RCPT", b"DATA", b"BDAT", b"RSET", b"QUIT"} <= set(commands.LMTP)
