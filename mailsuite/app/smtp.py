"""What the settings file says to the ESMTP doors, listener by listener."""

from typing import Literal

from mailsuite.accounts.names import account_key
from mailsuite.config import Config, Endpoint
from mailsuite.smtpd import Settings

Kind = Literal["smtp", "submission", "local", "lmtp", "odmr"]
KINDS: dict[str, Kind] = {
    "smtp": "smtp",
    "submission": "submission",
    "lmtp": "lmtp",
    "odmr": "odmr",
}
"""The kind of door, by a listener's protocol. All others are no ESMTP doors."""


def smtp_settings(
    config: Config, hostname: str, endpoint: Endpoint | None, *, plain_auth: bool
) -> Settings:
    """Of a listener; None: of the local socket."""
    limits = config.limits
    kind: Kind = "local" if endpoint is None else KINDS[endpoint.protocol]
    return Settings(
        kind=kind,
        hostname=hostname,
        implicit_tls=endpoint is not None and endpoint.tls == "implicit",
        require_tls=endpoint is not None and endpoint.require_tls,
        allow_plain_auth=plain_auth,
        max_message_size=limits.max_message_size,
        max_recipients=limits.recipients,
        max_messages=limits.messages_per_connection,
        max_idle_commands=limits.idle_commands,
        max_session=limits.session_time,
        max_errors=limits.errors,
        errors_before_delay=limits.errors_before_delay,
        error_delay=limits.error_delay,
        max_auth_failures=limits.sign_in_failures,
        command_timeout=limits.command_wait,
        auth_timeout=limits.sign_in_wait,
        data_timeout=limits.data_wait,
        message_timeout=limits.message_time,
        max_hold=limits.hold,
        max_hold_size=limits.hold_size,
        etrn=frozenset(each.lower() for each in config.relay.etrn)
        if kind != "lmtp"
        else frozenset(),
        on_demand=_on_demand(config) if kind in ("submission", "odmr") else {},
        relayed=frozenset(domain for each in config.relay.atrn for domain in each.domains)
        if kind == "smtp"
        else frozenset(),
        apparently_fields=config.apparently_fields,
    )


def _on_demand(config: Config) -> dict[str, frozenset[str]]:
    """Domains by account; one may be named several times."""
    found: dict[str, frozenset[str]] = {}
    for each in config.relay.atrn:
        account = account_key(each.account) or each.account
        found[account] = found.get(account, frozenset()) | frozenset(each.domains)
    return found
