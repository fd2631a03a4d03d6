"""How the command line talks to a running server, and the server to its service manager.

A Unix socket in the data folder, one JSON object a line each way; what can be asked is what `app`
hands in. Only the server's own user and root are heard.
"""

from mailsuite.control.client import Client, NotRunning
from mailsuite.control.server import Caller, Handler, Server

__all__ = ["Caller", "Client", "Handler", "NotRunning", "Server"]
