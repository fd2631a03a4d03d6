"""VRFY, and EXPN's refusal (RFC 5321 §3.5, §7.3).

Whether an address exists is told to users who have signed in, and to nobody else, so that
addresses can't be harvested.
"""

from mailsuite.mail import Mailbox, Unknown
from mailsuite.smtpd.grammar import ascii_text, refuse, verify_argument
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

CANNOT_SAY = reply(
    252, "2.1.5", "Cannot VRFY user, but will take the message and try to deliver it"
)
NO_EXPN = reply(502, "5.5.1", "EXPN is not offered")


async def vrfy(session: SmtpSession, argument: str) -> Reply:
    """252 for strangers; for users the mailbox that an address of ours stands for."""
    if not argument:
        raise refuse("5.5.4", "Syntax: VRFY address")
    if session.session.account is None:
        return CANNOT_SAY
    # RFC 6531 §3.7.4.2: SMTPUTF8 may stand behind the address.
    word, _, keyword = argument.partition(" ")
    smtputf8 = keyword.strip().upper() == "SMTPUTF8"
    if keyword and not smtputf8:
        raise refuse("5.5.4", "Syntax: VRFY address [SMTPUTF8]")
    if not word.isascii() and not smtputf8:
        return reply(553, "5.6.7", "Non-ASCII address needs SMTPUTF8")
    address = verify_argument(word)
    route = session.context.router.route(address)
    if isinstance(route, Unknown):
        return reply(550, "5.1.1", f"<{ascii_text(address)}>: no such mailbox here")
    if isinstance(route, Mailbox) and (smtputf8 or route.account.isascii()):
        return reply(250, "2.1.5", f"<{route.account}>")
    return CANNOT_SAY


async def expn(session: SmtpSession, argument: str) -> Reply:
    """Lists are not expanded."""
    return NO_EXPN


VRFY = Command(
    vrfy, "VRFY address", "Asks whether an address exists; answered to users only.", idle=True
)
EXPN = Command(expn, "EXPN list", "Not offered.", idle=True, offered=lambda session: False)
