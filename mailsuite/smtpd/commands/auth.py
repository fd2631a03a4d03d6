"""AUTH: sign in by a SASL mechanism (RFC 4954). On submission only, and only where it is safe."""

from mailsuite import sasl
from mailsuite.base.log import get_logger
from mailsuite.signin import Client, Exchange, Outcome, Refused, SignedIn, Why
from mailsuite.smtpd.context import Context
from mailsuite.smtpd.model import MAX_AUTH_LINE, Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

log = get_logger("smtpd")
MAX_STEPS = 10
SERVER_FIRST = ("CRAM-MD5",)  # LOGIN has an initial response in practice

WELCOME = reply(235, "2.7.0", "Authentication successful")
NOT_HERE = reply(502, "5.5.1", "AUTH is not offered here, users send by the submission port")
NEEDS_EHLO = reply(503, "5.5.1", "AUTH needs EHLO")
NEEDS_TLS = reply(538, "5.7.11", "Encryption required for requested authentication mechanism")
ALREADY = reply(503, "5.5.1", "Already authenticated")
IN_TRANSACTION = reply(503, "5.5.1", "AUTH is not permitted during a mail transaction")
UNKNOWN = reply(504, "5.5.4", "Unrecognized authentication mechanism")
CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
NOT_FIRST = reply(501, "5.7.0", "The mechanism takes no initial response")
BAD_BASE64 = reply(501, "5.5.2", "Cannot decode base64")
LINE_TOO_LONG = reply(500, "5.5.6", "Authentication exchange line is too long")
INVALID = reply(535, "5.7.8", "Authentication credentials invalid")
UNAVAILABLE = reply(454, "4.7.0", "Temporary authentication failure")
TOO_MANY = reply(421, "4.7.0", "Too many failed authentications, goodbye", close=True)
BANNED = reply(421, "4.7.0", "Too many failed authentications, try again later", close=True)


def client(session: SmtpSession) -> Client:
    """Who it is, for the sign-in room."""
    secure = session.tls or session.context.settings.allow_plain_auth
    tls = session.ssl_object if session.tls else None
    return Client("smtp", session.peer, secure, tls, clear=_is_clear(session.context))


def _is_clear(context: Context) -> bool:
    """A listener for hosts that fetch their mail, without TLS by the operator's choice.

    Mail goes there as it goes to port 25, and CRAM-MD5 must be there (RFC 2645 §5.1.2).
    """
    settings = context.settings
    return settings.odmr and context.starttls is None and not settings.implicit_tls


def offered(session: SmtpSession) -> list[str]:
    """The mechanisms that may be used in this session, now."""
    if not session.context.settings.sign_in:
        return []
    return session.context.sign_in.mechanisms(client(session))


async def auth(session: SmtpSession, argument: str) -> Reply | None:
    """Run the mechanism's exchange."""
    name, _, initial = argument.partition(" ")
    refusal = _refusal(session, name.upper())
    if refusal is not None:
        return refusal
    sign_in, who = session.context.sign_in, client(session)
    exchange = sign_in.start(name, who)
    if exchange is None:
        return NEEDS_TLS if sign_in.needs_tls(name, who) else UNKNOWN
    if initial and name.upper() in SERVER_FIRST:
        return NOT_FIRST  # RFC 4954 §4
    result = await _exchange(session, exchange, initial.strip())
    if isinstance(result, SignedIn | Refused):
        return await _told(session, result)
    return result


def _refusal(session: SmtpSession, name: str) -> Reply | None:
    if not session.context.settings.sign_in:
        return NOT_HERE
    if not session.session.extended_smtp:
        return NEEDS_EHLO
    if session.session.account is not None:
        return ALREADY
    if session.envelope.mail_from is not None:
        return IN_TRANSACTION
    if not name:
        return reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
    return None


async def _exchange(
    session: SmtpSession, exchange: Exchange, initial: str
) -> Outcome | Reply | None:
    """Challenges out, responses in; None when the client has gone."""
    response: bytes | None = None
    try:
        if initial:
            response = sasl.decode_initial(initial.encode())
        for _ in range(MAX_STEPS):
            step = await _step(session, exchange, response)
            if not isinstance(step, bytes):
                return step
            session.write(b"334 " + sasl.encode(step) + b"\r\n")
            line = await _response(session)
            if line is None:
                return None
            if not line or len(line) > MAX_AUTH_LINE:
                return LINE_TOO_LONG
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            if line == sasl.CANCEL:
                return CANCELLED
            response = sasl.decode(line)
    except ValueError:
        return BAD_BASE64
    return INVALID


async def _response(session: SmtpSession) -> bytes | None:
    session.in_exchange = True
    try:
        return await session.read_line(session.context.settings.auth_timeout)
    finally:
        session.in_exchange = False


async def _step(
    session: SmtpSession, exchange: Exchange, response: bytes | None
) -> bytes | Outcome | Reply:
    await session.flush()
    try:
        return await exchange.step(response)
    except Exception:
        log.exception("sign-in failed on our side", client=session.peer)
        session.context.counters.failures += 1
        return UNAVAILABLE


async def _told(session: SmtpSession, outcome: Outcome) -> Reply:
    context = session.context
    if isinstance(outcome, SignedIn):
        session.session.account = outcome.account
        session.session.authenticated = True
        context.counters.sign_ins += 1
        return WELCOME
    match outcome.why:
        case Why.UNAVAILABLE:
            return UNAVAILABLE
        case Why.MALFORMED:
            return reply(501, "5.5.2", outcome.text)
        case Why.BANNED:
            context.counters.sign_ins_failed += 1
            return BANNED
        case Why.WRONG | Why.FORBIDDEN:
            session.auth_failures += 1
            context.counters.sign_ins_failed += 1
            await session.sleep(outcome.wait)
            ends = session.auth_failures >= context.settings.max_auth_failures
            return TOO_MANY if ends else INVALID


COMMAND = Command(
    auth,
    "AUTH mechanism [initial-response]",
    "Signs in, so that mail may be sent.",
    needs_hello=True,
    max_line=MAX_AUTH_LINE,
    offered=lambda session: bool(offered(session)),
)
