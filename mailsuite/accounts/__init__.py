"""Who has an account: domains, users with their passwords, aliases; kept in one SQLite file.

Promises: a change made by any process (the command line while the server runs) takes effect at once
in all others; passwords are kept only as argon2id hashes. Knows nothing of routing: subaddresses
and the order of catch-alls are the routing room's.
"""

from mailsuite.accounts.directory import Directory
from mailsuite.accounts.rows import (
    NO_LIMIT,
    AccountRow,
    AliasRow,
    DirectoryUnavailable,
    DomainRow,
)

__all__ = ["NO_LIMIT", "AccountRow", "AliasRow", "Directory", "DirectoryUnavailable", "DomainRow"]
