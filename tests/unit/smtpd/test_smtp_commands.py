"""The tables of verbs: HELP has something to say about each."""

from collections.abc import Mapping

import pytest

from mailsuite.smtpd import commands
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import reply


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


def test_codes_of_two_classes_are_no_reply() -> None:
    """RFC 2034 §4: the first digits agree."""
    assert reply(459, "4.7.1", "no").render() == b"459 4.7.1 no\r\n"
    for code, status in ((459, "5.7.1"), (250, "4.0.0"), (550, "2.1.1"), (550, "55.1.1")):
        with pytest.raises(ValueError):
            reply(code, status, "no")
