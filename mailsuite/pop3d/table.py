"""Every POP3 command: its name, the states it is allowed in, how many arguments it takes."""

from mailsuite.pop3d.commands import auth, authorization, maildrop, messages
from mailsuite.pop3d.commands.row import ANY_STATE, RAW, Row, State

AUTHORIZATION = frozenset({State.AUTHORIZATION})
TRANSACTION = frozenset({State.TRANSACTION})

ROWS = (
    #   keyword  allowed in     arguments  handler
    Row("CAPA", ANY_STATE, (0, 0), authorization.capa),
    Row("STLS", AUTHORIZATION, (0, 0), authorization.stls),
    Row("USER", AUTHORIZATION, RAW, authorization.user),
    Row("PASS", AUTHORIZATION, RAW, authorization.pass_),
    Row("APOP", AUTHORIZATION, (2, 2), authorization.apop),
    Row("AUTH", AUTHORIZATION, (0, 2), auth.auth),
    Row("UTF8", AUTHORIZATION, (0, 0), authorization.utf8),
    Row("LANG", ANY_STATE, (0, 1), authorization.lang),
    Row("STAT", TRANSACTION, (0, 0), maildrop.stat),
    Row("LIST", TRANSACTION, (0, 1), maildrop.list_),
    Row("UIDL", TRANSACTION, (0, 1), maildrop.uidl),
    Row("NOOP", TRANSACTION, (0, 0), maildrop.noop),
    Row("RSET", TRANSACTION, (0, 0), maildrop.rset),
    Row("RETR", TRANSACTION, (1, 1), messages.retr),
    Row("TOP", TRANSACTION, (2, 2), messages.top),
    Row("DELE", TRANSACTION, (1, 1), messages.dele),
    Row("QUIT", ANY_STATE, (0, 0), maildrop.quit_),
)

COMMANDS = {row.keyword: row for row in ROWS}
