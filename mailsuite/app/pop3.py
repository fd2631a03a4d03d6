"""What the settings mean for the POP3 door."""

import ssl
from math import ceil

from mailsuite.accounts.names import account_key
from mailsuite.config import Config
from mailsuite.pop3d import Policies, Policy, Settings


def pop3_settings(
    config: Config, hostname: str, tls: ssl.SSLContext | None, *, plain_auth: bool
) -> Settings:
    """The settings of all POP3 listeners. Of two exceptions for an account the last one holds."""
    chosen = config.pop3
    own: dict[str, Policy] = {}
    for exception in chosen.exceptions:
        for key in map(account_key, exception.accounts):
            if key is not None:
                own[key] = Policy(exception.expire, ceil(exception.login_delay))
    return Settings(
        hostname=hostname,
        tls=tls,
        allow_plain_auth=plain_auth,
        policies=Policies(Policy(chosen.expire, ceil(chosen.login_delay)), own),
        refuse_utf8=chosen.refuse_utf8,
    )
