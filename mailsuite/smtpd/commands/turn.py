"""ATRN and TURN: the roles turn, and the client is sent its mail (RFC 2645, RFC 821 §3.8).

Only for hosts that have signed in, for the domains that the settings give to their account; TURN,
which has no word for "no mail" or "not yours", only over TLS. What happens after the 250 stands in
`smtpd.turned`.
"""

from mailsuite.base.log import get_logger
from mailsuite.message import among, normalise_domain
from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession
from mailsuite.smtpd.turned import Turn

log = get_logger("smtpd")
MAX_LINE = 4096  # of the list of domains
ATRN_SYNTAX = "ATRN [domain[,domain...]]"

TURNING = reply(250, "2.0.0", "OK, now reversing the connection")
NO_MAIL = reply(453, "4.0.0", "You have no mail")
BUSY = reply(450, "4.3.2", "Your mail is on its way over another connection, try again later")
NOT_YOURS = reply(450, "4.7.1", "ATRN request refused: not all of these domains are yours")
NO_DOMAINS = reply(450, "4.7.1", "ATRN request refused: this account has no domains")
UNABLE = reply(451, "4.3.0", "Unable to process the request now, try again later")
ATRN_NOT_HERE = reply(502, "5.5.1", "ATRN is not offered here")
TURN_NOT_HERE = reply(502, "5.5.1", "TURN is not offered to you")
BAD_SYNTAX = reply(501, "5.5.4", f"Syntax: {ATRN_SYNTAX}")
IN_TRANSACTION = reply(503, "5.5.1", "The roles do not turn during a mail transaction")
TLS_FIRST = reply(530, "5.7.0", "Must issue a STARTTLS command first")


def atrn_offered(session: SmtpSession) -> bool:
    """Hosts may sign in here, and this is the listener for it, or some have domains.

    RFC 6409 §7 would have it nowhere on submission; but there is where hosts can sign in that don't
    reach port 366, and none is told of it before the operator has given domains to an account.
    """
    settings = session.context.settings
    return settings.sign_in and (settings.odmr or bool(settings.on_demand))


def turn_offered(session: SmtpSession) -> bool:
    """The host has signed in over TLS, and has domains."""
    return _safe(session) and bool(_domains(session))


async def atrn(session: SmtpSession, argument: str) -> Reply:
    """Hand over the mail of the domains that are named, or of all that the account has."""
    if not atrn_offered(session):
        return ATRN_NOT_HERE
    if session.session.account is None:
        return replies.AUTH_REQUIRED
    if session.envelope.mail_from is not None:
        return IN_TRANSACTION
    own = _domains(session)
    if not own:
        return _refused(session, NO_DOMAINS)
    domains = own
    if argument:
        try:
            domains = frozenset(normalise_domain(each.strip()) for each in argument.split(","))
        except ValueError:
            return BAD_SYNTAX
        # All or nothing (RFC 2645 §5.2.1).
        if not all(among(each, own) for each in domains):
            return _refused(session, NOT_YOURS)
    return await _turn(session, "ATRN", domains)


async def turn(session: SmtpSession, argument: str) -> Reply:
    """Hand over the mail of all domains that the account has; there may be none."""
    settings = session.context.settings
    if not settings.sign_in or not settings.on_demand:
        return TURN_NOT_HERE
    if session.session.account is None:
        return replies.AUTH_REQUIRED
    if not _safe(session):
        return TLS_FIRST
    if session.envelope.mail_from is not None:
        return IN_TRANSACTION
    domains = _domains(session)
    return await _turn(session, "TURN", domains) if domains else _refused(session, TURN_NOT_HERE)


def _safe(session: SmtpSession) -> bool:
    return session.tls or session.context.settings.allow_plain_auth


def _domains(session: SmtpSession) -> frozenset[str]:
    account = session.session.account
    if account is None:
        return frozenset()
    return session.context.settings.on_demand.get(account, frozenset())


def _refused(session: SmtpSession, answer: Reply) -> Reply:
    account = session.session.account
    log.info("turn refused", client=session.peer, account=account, reply=answer.text)
    return answer


async def _turn(session: SmtpSession, verb: str, domains: frozenset[str]) -> Reply:
    context = session.context
    if context.turner is None:
        return UNABLE
    try:
        mail = context.queue.hand_over(domains)
        try:
            found = await mail.claim()
        except BaseException:
            await mail.close()
            raise
    except Exception:
        log.exception("turn failed", client=session.peer, account=session.session.account)
        context.counters.failures += 1
        return UNABLE
    # The client is told before the roles turn, where there is a word for it.
    if not found and verb == "ATRN":
        await mail.close()
        return BUSY if mail.busy else NO_MAIL
    client = session.session
    session.turn = Turn(
        verb, client.account or "", client.host_name or "", domains, mail, context.turner
    )
    return TURNING


ATRN = Command(
    atrn,
    ATRN_SYNTAX,
    "Turns the roles: the mail that waits for your domains is sent to you.",
    needs_hello=True,
    idle=True,
    max_line=MAX_LINE,
    offered=atrn_offered,
)
TURN = Command(
    turn,
    "TURN",
    "Turns the roles: the mail that waits for all your domains is sent to you.",
    needs_hello=True,
    no_argument=True,
    idle=True,
    offered=turn_offered,
)
