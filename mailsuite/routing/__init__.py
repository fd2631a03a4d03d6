"""Where an address leads, by the directory: user or alias, subaddress, catch-all, postmaster.

Promises: decides, and changes nothing; costs microseconds, so it is asked on the event loop at
every RCPT. Never expands an alias by itself: that is delivery's.
"""

from mailsuite.routing.router import Router
from mailsuite.routing.srs import Srs

__all__ = ["Router", "Srs"]
