"""The verbs: one row each. A new verb is a new file here, and its row."""

from mailsuite.smtpd.commands import (
    auth,
    bdat,
    data,
    etrn,
    hello,
    help,
    mail,
    rcpt,
    session,
    starttls,
    turn,
    verb,
    verify,
)

SMTP = {
    b"ATRN": turn.ATRN,
    b"AUTH": auth.COMMAND,
    b"BDAT": bdat.COMMAND,
    b"DATA": data.COMMAND,
    b"EHLO": hello.EHLO,
    b"ETRN": etrn.COMMAND,
    b"EXPN": verify.EXPN,
    b"HELO": hello.HELO,
    b"HELP": help.COMMAND,
    b"MAIL": mail.COMMAND,
    b"NOOP": session.NOOP,
    b"QUIT": session.QUIT,
    b"RCPT": rcpt.COMMAND,
    b"RSET": session.RSET,
    b"STARTTLS": starttls.COMMAND,
    b"TURN": turn.TURN,
    b"VERB": verb.COMMAND,
    b"VRFY": verify.VRFY,
}

# LHLO is LMTP's hello, and the only one (RFC 2033 §4.1). Nobody signs in there.
LMTP = {
    verb: command
    for verb, command in SMTP.items()
    if verb not in (b"ATRN", b"AUTH", b"EHLO", b"ETRN", b"HELO", b"TURN", b"VERB")
} | {b"LHLO": hello.LHLO}

# RFC 2645 §5.4; NOOP and RSET harm nobody, STARTTLS keeps passwords secret.
ODMR = {
    verb: SMTP[verb]
    for verb in (b"ATRN", b"AUTH", b"EHLO", b"HELO", b"NOOP", b"QUIT", b"RSET", b"STARTTLS")
}
