"""Pure. A web browser that has been led to a mail port talks HTTP.

Nobody may answer its request line by line: a stranger's page can put commands into the body, and
the browser would take the answers for the page of the host that it believes to talk to. A door
that reads a request line says goodbye.
"""

import re

_REQUEST_LINE = re.compile(rb"[A-Z]{3,16} [!-~]+ HTTP/[0-9](?:\.[0-9])?")


def is_http_request(line: bytes) -> bool:
    """A line, without its end, is a request line of HTTP (RFC 9112 §3)."""
    return _REQUEST_LINE.fullmatch(line) is not None
