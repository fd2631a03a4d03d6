"""The maildrop as a whole: STAT, LIST, UIDL, NOOP, RSET, QUIT (RFC 1939 §5, §6, §7)."""

from mailsuite.pop3d.commands.row import Context, State
from mailsuite.pop3d.maildrop import NotThere
from mailsuite.pop3d.replies import Blocks, Err, Ok, Reply


async def stat(session: Context, _: list[bytes]) -> Reply:
    """Messages marked as deleted are not counted."""
    return Ok(f"{session.maildrop.count} {session.maildrop.size}")


async def list_(session: Context, arguments: list[bytes]) -> Reply:
    maildrop = session.maildrop
    if not arguments:
        return Blocks(f"{maildrop.count} messages ({maildrop.size} octets)", maildrop.sizes())
    try:
        message = maildrop.find(arguments[0])
    except NotThere as error:
        return Err(str(error))
    return Ok(f"{message.number} {message.size}")


async def uidl(session: Context, arguments: list[bytes]) -> Reply:
    maildrop = session.maildrop
    if not arguments:
        return Blocks("unique-ids follow", await maildrop.unique_ids())
    try:
        message = maildrop.find(arguments[0])
    except NotThere as error:
        return Err(str(error))
    return Ok(f"{message.number} {await maildrop.unique_id(message)}")


async def noop(session: Context, _: list[bytes]) -> Reply:
    return Ok("nothing done")


async def rset(session: Context, _: list[bytes]) -> Reply:
    session.maildrop.unmark_all()
    return Ok(f"maildrop has {session.maildrop.count} messages ({session.maildrop.size} octets)")


async def quit_(session: Context, _: list[bytes]) -> Reply:
    """From TRANSACTION through UPDATE: the only way by which messages are deleted (§6)."""
    if session.state is State.AUTHORIZATION:
        return Ok("bye", ends=True)
    removed = await session.update()
    return Ok(f"bye, {removed} messages deleted", ends=True)
