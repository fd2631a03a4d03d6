"""HELP: lists the commands that are offered now, or explains any one (RFC 5321 §4.1.1.8)."""

from mailsuite.smtpd.grammar import ascii_text
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession


async def help_(session: SmtpSession, argument: str) -> Reply:
    """What is offered in this session, or how one command is used."""
    offered = {
        verb.decode(): command
        for verb, command in session.context.commands.items()
        if command.offered(session)
    }
    if not argument:
        return Reply(
            214, "2.0.0", ("Commands:", " ".join(sorted(offered)), "HELP command tells more")
        )
    verb = argument.upper()
    command = session.context.commands.get(verb.encode())
    if command is None:
        return reply(504, "5.5.4", f"No help on {ascii_text(argument)}")
    lines = [f"Syntax: {command.syntax}", command.help]
    if verb not in offered:
        lines.append("Not offered in this session, as it is now")
    return Reply(214, "2.0.0", tuple(lines))


COMMAND = Command(help_, "HELP [command]", "Lists the commands, or explains one.", idle=True)
