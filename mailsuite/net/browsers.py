"""Pure. A web browser that has been led to a mail port talks HTTP.

Nobody may answer its request line by line: a stranger's page can put commands into the body, and
the browser would take the answers for the page of the host that it believes to talk to. A door
that reads a request line says goodbye, or the Host field where that line was too long to be read.
"""

import re

_REQUEST = re.compile(rb"[A-Z]{3,16} [!-~]+ HTTP/[0-9](?:\.[0-9])?|Host: ?[!-~]+")


def is_http_request(line: bytes) -> bool:
    """A line, without its end, is one of HTTP: the request line, or Host (RFC 9112 §3, §3.2)."""
    return _REQUEST.fullmatch(line) is not None
