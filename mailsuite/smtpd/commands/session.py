"""NOOP, RSET and QUIT (RFC 5321 §4.1.1.5, §4.1.1.9, §4.1.1.10)."""

from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply
from mailsuite.smtpd.session import SmtpSession


async def noop(session: SmtpSession, argument: str) -> Reply:
    """Nothing; an argument is ignored."""
    return replies.OK


async def rset(session: SmtpSession, argument: str) -> Reply:
    """Drop the transaction; name and sign-in stay."""
    await session.reset()
    return replies.OK


async def quit_(session: SmtpSession, argument: str) -> Reply:
    """The reply closes the connection."""
    return replies.BYE


NOOP = Command(noop, "NOOP [anything]", "Does nothing, and says so.", idle=True, in_clear=True)
RSET = Command(
    rset, "RSET", "Drops the message that was begun.", no_argument=True, idle=True, grouped=True
)
QUIT = Command(quit_, "QUIT", "Ends the session.", no_argument=True, in_clear=True)
