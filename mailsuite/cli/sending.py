"""`mailsuite send …` and `mailsuite sendmail …`: mail handed in from the command line."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, DataOption

EX_CONFIG = 78


class Tls(StrEnum):
    """How `mailsuite send` secures a connection."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


Texts = list[str] | None
Files = list[Path] | None

To = Annotated[Texts, typer.Option(metavar="ADDRESS", help="As Bob <bob@example.org>; repeatable.")]
Cc = Annotated[Texts, typer.Option(metavar="ADDRESS", help="Gets a copy.")]
Bcc = Annotated[Texts, typer.Option(metavar="ADDRESS", help="Gets a copy, unseen by the others.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="ADDRESS", help="Else this user, at our domain.")
]
Subject = Annotated[str, typer.Option("--subject", "-s", metavar="TEXT", help="In any language.")]
Body = Annotated[str | None, typer.Option(metavar="TEXT", help="The text itself.")]
BodyFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The text; - or left away: standard input.")
]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="The text once more, as HTML.")]
Attach = Annotated[Files, typer.Option("--attach", "-a", metavar="FILE", help="Repeatable.")]
Inline = Annotated[
    Files, typer.Option(metavar="FILE", help="What the HTML shows as cid:NAME; repeatable.")
]
Header = Annotated[Texts, typer.Option(metavar="NAME:TEXT", help="One more field; repeatable.")]
ReplyTo = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where answers go.")]
InReplyTo = Annotated[
    str, typer.Option(metavar="MESSAGE-ID", help="The message that this one answers.")
]
Charset = Annotated[
    str, typer.Option(metavar="NAME", help="Of the text where that suits, such as euc-kr.")
]
Flowed = Annotated[
    bool, typer.Option("--flowed", help="Break long lines so that readers join them again.")
]
ServerName = Annotated[
    str | None, typer.Option(metavar="HOST[:PORT]", help="A submission server, not the local one.")
]
TlsMode = Annotated[Tls | None, typer.Option(help="Else implicit on 465, STARTTLS elsewhere.")]
CaFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Authority of the server's certificate.")
]
User = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Sign in; the password is asked for, or in $MAILSUITE_PASSWORD."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the message instead of sending it.")]


def send(
    to: To = None,
    cc: Cc = None,
    bcc: Bcc = None,
    sender: From = None,
    subject: Subject = "",
    body: Body = None,
    body_file: BodyFile = None,
    html: Html = None,
    attach: Attach = None,
    inline: Inline = None,
    header: Header = None,
    reply_to: ReplyTo = None,
    in_reply_to: InReplyTo = "",
    charset: Charset = "utf-8",
    flowed: Flowed = False,
    server: ServerName = None,
    tls: TlsMode = None,
    ca: CaFile = None,
    user: User = None,
    dry_run: DryRun = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Compose a message and send it.

    The running server takes it over its local socket; --server names another. Exit codes as in
    sysexits.h: 0 sent, 65 bad address, 67 recipient refused, 69 refused, 75 try again later, 77 not
    permitted, 78 wrong settings. Other than with 0, nothing was sent to anybody.
    """
    from mailsuite.cli.handing import NotSent
    from mailsuite.cli.send import Draft, Way, run

    draft = Draft(
        sender=sender,
        to=tuple(to or ()),
        cc=tuple(cc or ()),
        bcc=tuple(bcc or ()),
        subject=subject,
        body=body,
        body_file=body_file,
        html=html,
        attach=tuple(attach or ()),
        inline=tuple(inline or ()),
        headers=tuple(header or ()),
        reply_to=reply_to,
        in_reply_to=in_reply_to,
        charset=charset,
        flowed=flowed,
    )
    way = Way(server, None if tls is None else tls.value, ca, user, config, data)
    try:
        run(draft, way, dry_run=dry_run)
    except NotSent as error:
        output.fail(str(error))
        raise typer.Exit(error.code) from error


def sendmail(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[OPTION...] [ADDRESS...]")
    ] = None,
) -> None:
    """Send the message on standard input, as sendmail(1): a stand-in for programs.

    -t takes recipients from the header, -f SENDER, -F NAME, -i or -oi for messages with lone dots,
    -bs speaks SMTP, -bp lists the queue, -q attempts what waits, -N, -R, -V for delivery notices,
    -C FILE names the settings. Link it where programs look for it:
    ln -s "$(command -v mailsuite)" /usr/sbin/sendmail (mailq works too).
    """
    from mailsuite.cli.handing import NotSent
    from mailsuite.cli.sendmail import run

    if arguments == ["--help"]:  # -h is an option of sendmail(1)
        output.say(context.get_help())
        return
    try:
        code = run(arguments or [])
    except NotSent as error:
        output.fail(str(error))
        code = error.code
    except UserError as error:
        output.fail(str(error))
        code = EX_CONFIG
    raise typer.Exit(code)
