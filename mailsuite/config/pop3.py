"""The part of the schema about POP3: how long mail may stay, how often clients may come."""

from typing import Annotated

from mailsuite.config import units, values
from mailsuite.config.section import Section, setting

DAYS = 36_500


class Pop3Account(Section):
    """Accounts for which something else holds."""

    accounts: Annotated[tuple[values.MailAddress, ...], values.OneOrMore] = setting(
        "Their addresses.",
        "an address such as alice@example.org, or a list of them",
        min_length=1,
        max_length=100_000,
    )
    expire: int | None = setting(
        "Instead of pop3.expire. Left away: never.",
        "a number of days from 0 to 36500",
        None,
        ge=0,
        le=DAYS,
    )
    login_delay: values.Duration = setting(
        "Instead of pop3.login_delay.",
        'a duration from 0s to 1d such as "5m"',
        0.0,
        show=units.format_duration,
        ge=0,
        le=86_400,
    )


class Pop3(Section):
    """What POP3 clients may do."""

    expire: int | None = setting(
        "A message that was fetched over POP3, and left there, is removed from INBOX so many days"
        " after it came, when a POP3 session ends. 0: at the end of the session that fetched it."
        " Mail that was never fetched stays. Clients are told (EXPIRE). Left away: never.",
        "a number of days from 0 to 36500",
        None,
        example="30",
        live=True,
        ge=0,
        le=DAYS,
    )
    login_delay: values.Duration = setting(
        "How long a client must wait after a sign-in before the next one. Clients are told"
        " (LOGIN-DELAY).",
        'a duration from 0s to 1d such as "5m"',
        0.0,
        live=True,
        show=units.format_duration,
        ge=0,
        le=86_400,
    )
    exceptions: Annotated[tuple[Pop3Account, ...], values.ListOf] = setting(
        "Accounts for which something else holds.",
        "a list of mappings, each with accounts",
        (),
        live=True,
        max_length=1000,
    )
    refuse_utf8: bool = setting(
        "A message with UTF-8 in its header, and a client that has not said UTF8 (nearly all):"
        " false sends it with a header in ASCII that says the same; true refuses it: such a"
        " client never gets it, and some then never get to the mail behind it.",
        "true or false",
        False,
        live=True,
    )
