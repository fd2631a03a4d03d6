"""AUTH: SASL sign-in, with and without an initial response (RFC 5034)."""

from mailsuite import sasl
from mailsuite.pop3d.commands.row import Context
from mailsuite.pop3d.replies import Err, Lines, Reply


async def auth(session: Context, arguments: list[bytes]) -> Reply:
    """Without an argument it lists the mechanisms, as clients older than CAPA ask it to."""
    usable = mechanisms(session)
    if not arguments:
        return Lines("mechanisms follow", usable)
    name = arguments[0].decode("ascii", "replace").upper()
    exchange = session.start(name)
    if exchange is None:
        early = session.needs_tls(name)
        return Err("not without TLS, use STLS first" if early else "no such mechanism")
    try:
        outcome = await exchange.step(sasl.decode_initial(arguments[1]) if arguments[1:] else None)
        while isinstance(outcome, bytes):
            line = await session.exchange(sasl.encode(outcome))
            if line == sasl.CANCEL:
                return Err("cancelled")
            outcome = await exchange.step(sasl.decode(line))
    except ValueError:
        return Err("that is not base64", fault=True)
    return await session.admit(outcome)


def mechanisms(session: Context) -> list[str]:
    """Those that may be used now."""
    return session.mechanisms()
