"""A session after the roles have turned: the client is the server now, and is sent its mail.

Promises: what is not sent waits as before, however the connection ends; at the stop no further
message is begun.
"""

from dataclasses import dataclass

from mailsuite.base.log import get_logger
from mailsuite.net import Connection
from mailsuite.relay import SessionFailed
from mailsuite.smtpd.context import Context, Mail, Turner

log = get_logger("smtpd")


@dataclass(frozen=True, slots=True)
class Turn:
    """What was agreed on.

    verb     ATRN or TURN
    account  that has signed in
    helo     what the client calls itself
    mail     for `domains`; whoever has the turn closes it
    turner   makes the courier
    """

    verb: str
    account: str
    helo: str
    domains: frozenset[str]
    mail: Mail
    turner: Turner


async def serve(context: Context, connection: Connection, turn: Turn) -> None:
    """Send what waits, and close."""
    count = 0
    told = {"client": connection.peer, "account": turn.account}
    log.info("turned", **told, verb=turn.verb, domains=", ".join(sorted(turn.domains)))
    context.counters.turns += 1
    try:
        why = f"{turn.verb} by {turn.account}"
        courier = await turn.turner(connection, name=turn.helo, why=why, account=turn.account)
        while courier.usable and not context.stopping.is_set():
            if not await turn.mail.attempt(courier):
                break
            count += 1
        await courier.quit()
    except SessionFailed as error:
        log.info("turn broken off", **told, why=error.text)
    except Exception:
        context.counters.failures += 1
        log.exception("turn failed", **told)
    finally:
        connection.abort()
        await turn.mail.close()
    log.info("turn ended", **told, messages=count)
