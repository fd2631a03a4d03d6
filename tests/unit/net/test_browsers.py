"""Request lines of HTTP are told from commands of mail."""

import pytest

from mailsuite.net import is_http_request


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"POST /a?b=c HTTP/1.0",
        b"CONNECT x:25 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"Host: mail.test:2525",
    ],
)
def test_http(line: bytes) -> None:
    assert is_http_request(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"GET /",
        b"EHLO http/1.1",
        b"A1 LOGIN HTTP/1.1 x",
        b"GET / HTTP/1.1 x",
        b"TOP 1 2",
        b"Subject: Host: x",
        b"Host: the one of us who cooks",
        b"MAIL FROM:<a@b> HTTP/1.1 BODY=7BIT",
    ],
)
def test_mail(line: bytes) -> None:
    assert not is_http_request(line)
