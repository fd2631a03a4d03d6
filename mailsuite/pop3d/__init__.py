"""The POP3 door: INBOX as a maildrop (RFC 1939), with CAPA (RFC 2449) and STLS (RFC 2595).

A new command is a handler in `commands/` and a row in `table`; the session and the pure files
below it need not know of it.
"""

from mailsuite.pop3d.door import BUSY, Pop3d
from mailsuite.pop3d.policy import Policies, Policy
from mailsuite.pop3d.settings import Settings

__all__ = ["BUSY", "Policies", "Policy", "Pop3d", "Settings"]
