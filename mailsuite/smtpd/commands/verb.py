"""VERB: the reply to a message tells what has become of it for each recipient.

For users who have signed in. The outcome is waited for, but not for long: what has not ended by
then is "queued".
"""

from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

ON = reply(250, "2.0.0", "Verbose: the reply to a message tells each recipient's outcome")
OFF = reply(250, "2.0.0", "Verbose mode is off")
NOT_HERE = reply(502, "5.5.1", "VERB is for users who have signed in")
BAD_SYNTAX = reply(501, "5.5.4", "Syntax: VERB [ON|OFF]")


def offered(session: SmtpSession) -> bool:
    """Somebody has signed in."""
    return session.session.account is not None


async def verb(session: SmtpSession, argument: str) -> Reply:
    """Switch it on, or off."""
    if not offered(session):
        return NOT_HERE
    word = argument.upper() or "ON"
    if word not in ("ON", "OFF"):
        return BAD_SYNTAX
    session.session.verbose = word == "ON"
    return ON if session.session.verbose else OFF


COMMAND = Command(
    verb,
    "VERB [ON|OFF]",
    "Tells in the reply to a message what has become of it for each recipient.",
    idle=True,
    offered=offered,
)
