"""Who has an account: domains, users with their passwords, aliases; kept in one SQLite file.

Promises: a change made by any process (the command line while the server runs) takes effect at once
in all others; passwords are kept as argon2id hashes and, sealed by the vault, SCRAM verifiers; a
password that can be read is kept only for an account that has opted in, and sealed. Knows nothing
of routing: subaddresses and the order of catch-alls are the routing room's.
"""

from mailsuite.accounts.directory import Directory
from mailsuite.accounts.rows import (
    DOORS,
    NO_LIMIT,
    AccountRow,
    AliasRow,
    AppPasswordRow,
    DirectoryUnavailable,
    DomainRow,
    Lookups,
)

__all__ = [
    "DOORS",
    "NO_LIMIT",
    "AccountRow",
    "AliasRow",
    "AppPasswordRow",
    "Directory",
    "DirectoryUnavailable",
    "DomainRow",
    "Lookups",
]
