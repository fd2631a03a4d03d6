"""VRFY and EXPN (RFC 5321 §3.5, §7.3).

Whether an address exists, and who is behind an alias, is told to users who have signed in, and to
nobody else, so that addresses can't be harvested.
"""

import re

from mailsuite.delivery.expansion import expand
from mailsuite.mail import Mailbox, Unknown
from mailsuite.smtpd.grammar import SyntaxRefused, ascii_text, refuse, verify_argument
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

# Not X.1.5, which says that the address is valid (RFC 3463 §3.2).
CANNOT_SAY = reply(
    252, "2.0.0", "Cannot VRFY user, but will take the message and try to deliver it"
)
NO_EXPN = reply(502, "5.5.1", "EXPN is not offered")
NOT_OURS = reply(252, "2.0.0", "Cannot EXPN an address of another domain")
# String, in its quotes where it has blanks, and what RFC 6531 §3.7.4.2 puts behind it.
_ASKED = re.compile(r'((?:"(?:[^"\\]|\\.)*+"|[^ ])++)(?: ++(SMTPUTF8))?', re.IGNORECASE)
# RFC 6531 §3.7.4.2: 252 or 550, with X.6.8.
NEEDS_SMTPUTF8 = reply(550, "5.6.8", "The reply would not be ASCII, ask with SMTPUTF8")
CANNOT_SHOW = reply(252, "2.6.8", "Cannot show the mailbox in ASCII, ask with SMTPUTF8")


def expn_offered(session: SmtpSession) -> bool:
    """Somebody has signed in."""
    return session.session.account is not None


async def vrfy(session: SmtpSession, argument: str) -> Reply:
    """252 for strangers; for users the mailbox that an address of ours stands for."""
    if not argument:
        raise refuse("5.5.4", "Syntax: VRFY address")
    if session.session.account is None:
        return CANNOT_SAY
    address, smtputf8 = _asked(session, "VRFY", argument)
    route = session.context.router.route(address)
    if isinstance(route, Unknown):
        return _nobody(address)
    if isinstance(route, Mailbox):
        if not smtputf8 and not route.account.isascii():
            return CANNOT_SHOW
        return reply(250, "2.1.5", f"<{route.account}>")
    return CANNOT_SAY


async def expn(session: SmtpSession, argument: str) -> Reply:
    """502 for strangers; for users all whom mail to an address of ours goes to."""
    if session.session.account is None:
        return NO_EXPN
    address, smtputf8 = _asked(session, "EXPN", argument)
    found = expand(address, session.context.router.route)
    if not found.alias and found.remote:
        return NOT_OURS
    members = [*found.accounts, *found.remote]
    if not members:
        return _nobody(address)
    if not smtputf8 and not all(map(str.isascii, members)):
        return NEEDS_SMTPUTF8
    return Reply(250, "2.1.5", tuple(f"<{member}>" for member in members))


def _asked(session: SmtpSession, verb: str, argument: str) -> tuple[str, bool]:
    """The address, and whether SMTPUTF8 stands behind it (RFC 6531 §3.7.4.2)."""
    found = _ASKED.fullmatch(argument)
    if found is None:
        raise refuse("5.5.4", f"Syntax: {verb} address [SMTPUTF8]")
    word, smtputf8 = found[1], found[2] is not None
    if not word.isascii() and not smtputf8:
        raise SyntaxRefused(NEEDS_SMTPUTF8)
    domain = (session.session.account or "").rpartition("@")[2]
    return verify_argument(word, verb, domain), smtputf8


def _nobody(address: str) -> Reply:
    return reply(550, "5.1.1", f"<{ascii_text(address)}>: no such mailbox here")


VRFY = Command(
    vrfy, "VRFY address", "Asks whether an address exists; answered to users only.", idle=True
)
EXPN = Command(
    expn,
    "EXPN address",
    "Asks who gets the mail of an alias or list; answered to users only.",
    idle=True,
    offered=expn_offered,
)
