"""The IMAP door: IMAP4rev1 (RFC 3501) and its extensions over the store's mailboxes.

door      what all sessions share                 session   one connection: its state
table     the commands and the capabilities       dispatch  its commands, one after the other
view      a session's own view of a mailbox       watch     what it is told without asking
commands  one command or tight family a file      search    which messages match
syntax    the pure part: octets to values         facets    what is computed once a message
"""

from mailsuite.imapd.door import BUSY, Imapd
from mailsuite.imapd.settings import Settings

__all__ = ["BUSY", "Imapd", "Settings"]
