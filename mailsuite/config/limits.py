"""The part of the schema that bounds clients: sizes, numbers and times."""

from mailsuite.config import units, values
from mailsuite.config.section import Section, setting


class Limits(Section):
    """Bounds that keep one client from harming the others."""

    max_message_size: values.Size = setting(
        "Largest message that is taken.",
        'a size from 64 kB to 2 GB such as "50 MB", or a number of octets',
        50_000_000,
        live=True,
        show=units.format_size,
        ge=64_000,
        le=2_000_000_000,
    )
    connections: int = setting(
        "Connections open at once, all listeners together.",
        "a number from 1 to 1000000",
        5000,
        live=True,
        ge=1,
        le=1_000_000,
    )
    connections_per_address: int = setting(
        "The same from one address (IPv6: from one /64 network), counted for each protocol by"
        " itself.",
        "a number from 1 to 1000000",
        100,
        live=True,
        ge=1,
        le=1_000_000,
    )
    recipients: int = setting(
        "Recipients of one message. RFC 5321 asks for 100 at the least.",
        "a number from 100 to 100000",
        1000,
        live=True,
        ge=100,
        le=100_000,
    )
    messages_per_connection: int = setting(
        "Messages that one SMTP connection may bring, told by LIMITS; then 421.",
        "a number from 1 to 999999",
        10_000,
        live=True,
        ge=1,
        le=999_999,
    )
    idle_commands: int = setting(
        "SMTP commands that bring no mail forward, between two accepted messages; then 421.",
        "a number from 20 to 1000000",
        1000,
        live=True,
        ge=20,
        le=1_000_000,
    )
    errors: int = setting(
        "Error replies to an SMTP client between two accepted messages, then 421.",
        "a number from 1 to 10000",
        50,
        live=True,
        ge=1,
        le=10_000,
    )
    errors_before_delay: int = setting(
        "After so many of them each further one waits, and longer each time.",
        "a number from 0 to 10000",
        20,
        live=True,
        ge=0,
        le=10_000,
    )
    error_delay: values.Duration = setting(
        "By how much longer, up to ten seconds; 0s: no error waits.",
        'a duration from 0s to 10s such as "0.5s"',
        0.5,
        live=True,
        show=units.format_duration,
        ge=0,
        le=10,
    )
    session_time: values.Duration = setting(
        "How long an SMTP connection may last; then 421, but never within a message.",
        'a duration from 5m to 30d such as "4h"',
        14_400.0,
        live=True,
        show=units.format_duration,
        ge=300,
        le=2_592_000,
    )
    command_wait: values.Duration = setting(
        "How long an SMTP client may take for a command. RFC 5321 asks for five minutes.",
        'a duration from 5s to 1h such as "5m"',
        300.0,
        live=True,
        show=units.format_duration,
        ge=5,
        le=3600,
    )
    sign_in_wait: values.Duration = setting(
        "How long it may take to answer a challenge of AUTH.",
        'a duration from 5s to 1h such as "1m"',
        60.0,
        live=True,
        show=units.format_duration,
        ge=5,
        le=3600,
    )
    sign_in_failures: int = setting(
        "Wrong names or passwords in one SMTP connection, then 421.",
        "a number from 1 to 100",
        5,
        live=True,
        ge=1,
        le=100,
    )
    data_wait: values.Duration = setting(
        "How long it may pause in a message.",
        'a duration from 5s to 1h such as "5m"',
        300.0,
        live=True,
        show=units.format_duration,
        ge=5,
        le=3600,
    )
    message_time: values.Duration = setting(
        "How long it may take for a whole message.",
        'a duration from 1m to 1d such as "1h"',
        3600.0,
        live=True,
        show=units.format_duration,
        ge=60,
        le=86_400,
    )
    hold: values.Duration = setting(
        "How long our users may have a message wait here before it goes out (FUTURERELEASE); 0s:"
        " not at all.",
        'a duration from 0s to 365d such as "30d"',
        2_592_000.0,
        live=True,
        show=units.format_duration,
        ge=0,
        le=31_536_000,
    )
    hold_size: values.Size = setting(
        "How much mail of one account may wait here in this way; a message beyond that is refused.",
        'a size from 1 MB to 1 TB such as "200 MB"',
        200_000_000,
        live=True,
        show=units.format_size,
        ge=1_000_000,
        le=1_000_000_000_000,
    )
