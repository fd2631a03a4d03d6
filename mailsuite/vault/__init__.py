"""Secrets that must be read again: kept under a key of this server, never in the clear.

Passwords of remote accounts, and the passwords of our own accounts that have opted in to CRAM-MD5
and APOP, cannot be kept as hashes. Whoever keeps one gives it to `Vault.seal`, stores the octets
wherever it likes, and gives them to `Vault.open` when the secret is needed.

Promises: sealed octets are of no use without the key file, and are bound to what they are about:
those of one account, put in the place of another's, do not open. Changes in them are noticed.
Never keeps secrets itself. Both calls cost microseconds; making or reading the key file blocks.
"""

from mailsuite.vault.vault import Unreadable, Vault

__all__ = ["Unreadable", "Vault"]
