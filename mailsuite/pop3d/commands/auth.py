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
    machine = sasl.start(name)
    if machine is None:
        return Err("no such mechanism")
    if name not in usable:
        return Err("not without TLS, use STLS first")
    try:
        outcome = machine.step(sasl.decode_initial(arguments[1]) if arguments[1:] else None)
        while isinstance(outcome, sasl.Challenge):
            line = await session.exchange(sasl.encode(outcome.data))
            if line == sasl.CANCEL:
                return Err("cancelled")
            outcome = machine.step(sasl.decode(line))
    except ValueError:
        return Err("that is not base64", fault=True)
    if isinstance(outcome, sasl.Failure):
        return Err(outcome.text, code="AUTH", fault=True)
    return await session.sign_in(outcome)


def mechanisms(session: Context) -> list[str]:
    """Those that may be used now."""
    return sasl.mechanisms(secure=session.secure or session.settings.allow_plain_auth)
