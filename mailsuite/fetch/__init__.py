"""Mail collected from accounts on other servers (IMAP, POP3) into our own accounts.

What is fetched goes through the queue like mail that came in. Nothing is fetched twice and nothing
is lost, whenever the server or the other one is cut off: see `handing` and the visits.
"""

from mailsuite.fetch.database import FetchDatabase
from mailsuite.fetch.fetcher import Fetcher, change_login, make, other_login, rows
from mailsuite.fetch.handing import Into
from mailsuite.fetch.model import KEEP, Remote

__all__ = [
    "KEEP",
    "FetchDatabase",
    "Fetcher",
    "Into",
    "Remote",
    "change_login",
    "make",
    "other_login",
    "rows",
]
