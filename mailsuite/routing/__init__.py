"""Where an address leads, by the directory: user or alias, subaddress, catch-all, postmaster.

Promises: decides, and changes nothing but what `kept` keeps; costs microseconds, so it is asked on
the event loop at every RCPT. Never expands an alias by itself: that is delivery's.
"""

from mailsuite.routing.kept import KeptSenders
from mailsuite.routing.router import Router
from mailsuite.routing.srs import Srs

__all__ = ["KeptSenders", "Router", "Srs"]
