"""The keys that mail of our domains is signed with (DKIM, RFC 6376).

Promises: a domain has a key when one is first asked for; a key file is readable by the server's
user only; what an operator puts into the folder, or takes out of it, counts at once.
"""

from mailsuite.dkim.keys import SELECTOR, Found, Key, Keys, troubles

__all__ = ["SELECTOR", "Found", "Key", "Keys", "troubles"]
