"""AUTH: sign in by a SASL mechanism (RFC 4954). On submission only, and only where it is safe."""

from mailsuite import sasl
from mailsuite.base.log import get_logger
from mailsuite.sasl import Challenge, Credentials, Mechanism
from mailsuite.smtpd.model import MAX_AUTH_LINE, Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

log = get_logger("smtpd")
MAX_DELAY = 15.0  # seconds
MAX_STEPS = 10

WELCOME = reply(235, "2.7.0", "Authentication successful")
NOT_HERE = reply(502, "5.5.1", "AUTH is not offered here, users send by the submission port")
NEEDS_EHLO = reply(503, "5.5.1", "AUTH needs EHLO")
NEEDS_TLS = reply(538, "5.7.11", "Encryption required for requested authentication mechanism")
ALREADY = reply(503, "5.5.1", "Already authenticated")
IN_TRANSACTION = reply(503, "5.5.1", "AUTH is not permitted during a mail transaction")
UNKNOWN = reply(504, "5.5.4", "Unrecognized authentication mechanism")
CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
BAD_BASE64 = reply(501, "5.5.2", "Cannot decode base64")
LINE_TOO_LONG = reply(500, "5.5.6", "Authentication exchange line is too long")
INVALID = reply(535, "5.7.8", "Authentication credentials invalid")
UNAVAILABLE = reply(454, "4.7.0", "Temporary authentication failure")
TOO_MANY = reply(421, "4.7.0", "Too many failed authentications, goodbye", close=True)


def secure(session: SmtpSession) -> bool:
    """Whether a password may be sent over this connection."""
    return session.tls or session.context.settings.allow_plain_auth


def offered(session: SmtpSession) -> list[str]:
    """The mechanisms that may be used in this session, now."""
    if not session.context.settings.sign_in:
        return []
    return sasl.mechanisms(secure=secure(session))


async def auth(session: SmtpSession, argument: str) -> Reply | None:
    """Run the mechanism's exchange, then check name and password."""
    name, _, initial = argument.partition(" ")
    refusal = _refusal(session, name.upper())
    if refusal is not None:
        return refusal
    machine = sasl.start(name)
    if machine is None:
        return UNKNOWN
    result = await _exchange(session, machine, initial.strip())
    if not isinstance(result, Credentials):
        return result
    return await _check(session, result)


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
    if name not in offered(session):
        return NEEDS_TLS if name in sasl.mechanisms(secure=True) else UNKNOWN
    return None


async def _exchange(
    session: SmtpSession, machine: Mechanism, initial: str
) -> Credentials | Reply | None:
    """Challenges out, responses in; None when the client has gone."""
    response: bytes | None = None
    try:
        if initial:
            response = sasl.decode_initial(initial.encode())
        for _ in range(MAX_STEPS):
            step = machine.step(response)
            if isinstance(step, Credentials):
                return step
            if not isinstance(step, Challenge):
                return reply(501, "5.5.2", step.text)
            session.write(b"334 " + sasl.encode(step.data) + b"\r\n")
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


async def _check(session: SmtpSession, credentials: Credentials) -> Reply:
    context = session.context
    await session.flush()
    try:
        account = await context.directory.verify(credentials.authcid, credentials.password)
    except Exception:
        log.exception("directory failed", client=session.peer)
        context.counters.failures += 1
        return UNAVAILABLE
    if account is not None and credentials.acts_as(account):
        session.session.account = account
        session.session.authenticated = True
        context.counters.sign_ins += 1
        log.info("signed in", peer=session.peer, account=account, tls=session.tls)
        return WELCOME
    session.auth_failures += 1
    context.counters.sign_ins_failed += 1
    log.warning("sign-in failed", peer=session.peer, name=credentials.authcid)
    # Each failure costs the guesser more time.
    delay = context.settings.auth_delay * 2.0 ** (session.auth_failures - 1)
    await session.sleep(min(delay, MAX_DELAY))
    return TOO_MANY if session.auth_failures >= context.settings.max_auth_failures else INVALID


COMMAND = Command(
    auth,
    "AUTH mechanism [initial-response]",
    "Signs in, so that mail may be sent.",
    needs_hello=True,
    max_line=MAX_AUTH_LINE,
    offered=lambda session: bool(offered(session)),
)
