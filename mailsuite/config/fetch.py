"""The part of the schema about mail that is collected from other servers."""

from mailsuite.config.section import Section, setting


class Fetch(Section):
    """Mail collected from other servers; `mailsuite fetch add` says from where."""

    connections: int = setting(
        "Accounts visited at once; those that only wait for news (IDLE) don't count.",
        "a number from 1 to 1000",
        8,
        ge=1,
        le=1000,
    )
