"""The service extensions, in the order of the reply to EHLO. A new one is a file and a row.

What is announced is what is not refused with 502 in this session, as it is now (RFC 5321 §4.2.4).
"""

from mailsuite.smtpd.commands import etrn, starttls, turn, verb, verify
from mailsuite.smtpd.extensions import (
    auth,
    body,
    deliver_by,
    dsn,
    future_release,
    limits,
    origin,
    priority,
    requiretls,
    size,
    smtputf8,
)
from mailsuite.smtpd.model import Extension

STARTTLS = Extension(lambda session: "STARTTLS" if starttls.offered(session) else None)  # RFC 3207
ENHANCEDSTATUSCODES = Extension(lambda session: "ENHANCEDSTATUSCODES")  # RFC 2034
ATRN = Extension(lambda session: "ATRN" if turn.atrn_offered(session) else None)  # RFC 2645

TABLE = (
    Extension(lambda session: "PIPELINING"),  # RFC 2920
    size.EXTENSION,
    body.EXTENSION,
    Extension(lambda session: "CHUNKING"),  # RFC 3030 §2, `commands.bdat`
    Extension(lambda session: "BINARYMIME"),  # RFC 3030 §3, `body`
    smtputf8.EXTENSION,
    STARTTLS,
    auth.EXTENSION,
    ENHANCEDSTATUSCODES,
    dsn.EXTENSION,
    requiretls.EXTENSION,
    limits.EXTENSION,
    deliver_by.EXTENSION,
    priority.EXTENSION,
    future_release.EXTENSION,
    Extension(lambda session: "ETRN" if etrn.offered(session) else None),  # RFC 1985
    ATRN,
    Extension(lambda session: "TURN" if turn.turn_offered(session) else None),  # RFC 821 §3.8
    Extension(lambda session: "EXPN" if verify.expn_offered(session) else None),  # §3.5.2
    Extension(lambda session: "VERB" if verb.offered(session) else None),
    origin.EXTENSION,
    Extension(lambda session: "HELP"),
)

ODMR = (STARTTLS, auth.EXTENSION, ENHANCEDSTATUSCODES, ATRN)
