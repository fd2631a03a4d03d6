"""Before the maildrop is open: CAPA (RFC 2449 §5), STLS (RFC 2595 §4), USER, PASS, APOP (RFC 1939
§7), UTF8, LANG (RFC 6856)."""

from mailsuite import __version__
from mailsuite.pop3d.apop import fits
from mailsuite.pop3d.commands.auth import mechanisms
from mailsuite.pop3d.commands.row import Context, State
from mailsuite.pop3d.replies import Err, Lines, Ok, Reply, StartTls
from mailsuite.sasl import Credentials


async def capa(session: Context, _: list[bytes]) -> Reply:
    """What is available in AUTHORIZATION is announced in both states (RFC 2449 §5)."""
    found = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
    found += [*session.settings.policies.capabilities(session.account), "UTF8 USER", "LANG"]
    if may_send_password(session):
        found.append("USER")
    if usable := mechanisms(session):
        found.append("SASL " + " ".join(usable))
    if may_start_tls(session):
        found.append("STLS")
    if session.state is State.TRANSACTION:
        found.append(f"IMPLEMENTATION mailsuite-{__version__}")
    return Lines("capabilities follow", found)


async def lang(session: Context, arguments: list[bytes]) -> Reply:
    """The language of texts (RFC 6856 §3): there is one."""
    if not arguments:
        return Lines("languages follow", ["en English"])
    wanted = arguments[0].lower()
    if wanted in (b"*", b"en", b"i-default") or wanted.startswith(b"en-"):
        return Ok("en the texts are English")
    return Err("no such language")


async def utf8(session: Context, _: list[bytes]) -> Reply:
    """For the whole session: headers go out as they are (RFC 6856 §2.1)."""
    session.utf8 = True
    return Ok("UTF-8 is welcome")


async def stls(session: Context, _: list[bytes]) -> Reply:
    if session.secure:
        return Err("TLS is active already", fault=True)
    if not may_start_tls(session):
        return Err("TLS is not available", fault=True)
    if session.utf8:
        return Err("STLS comes before UTF8", fault=True)  # RFC 6856 §2.1
    return StartTls("begin TLS")


async def user(session: Context, arguments: list[bytes]) -> Reply:
    """The same answer for every name, so that names can't be tried out."""
    if not may_send_password(session):
        return Err("no password without TLS, use STLS first")
    name = (text(arguments[0]) or "").strip()
    if not name or not name.isprintable():  # it goes into the log
        return Err("that cannot be a name", fault=True)
    session.user = name
    return Ok("send PASS")


async def pass_(session: Context, arguments: list[bytes]) -> Reply:
    if not may_send_password(session):
        return Err("no password without TLS, use STLS first")
    name, session.user = session.user, None
    if name is None:
        return Err("USER comes first", fault=True)
    password = text(arguments[0])
    # A password that is not UTF-8 is nobody's, and takes the same way to its refusal.
    given = Credentials("", name, password if password is not None else "\ufffd")
    return await session.sign_in(given)


async def apop(session: Context, arguments: list[bytes]) -> Reply:
    """Only where the banner had a timestamp, and only for accounts that have opted in."""
    banner, name = session.timestamp, text(arguments[0])
    if banner is None:
        return Err("APOP is not available")
    if not name or not name.isprintable():
        return Err("that cannot be a name", fault=True)
    if len(arguments[1]) != 32:
        return Err("that is no digest", fault=True)
    return await session.sign_in_by_digest(name, lambda secret: fits(arguments[1], banner, secret))


def may_send_password(session: Context) -> bool:
    return session.secure or session.settings.allow_plain_auth


def may_start_tls(session: Context) -> bool:
    return session.settings.tls is not None and not session.secure


def text(octets: bytes) -> str | None:
    """UTF-8, or None."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None
