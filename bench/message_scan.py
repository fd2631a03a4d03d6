"""How fast the MIME scanner reads messages, beside the standard library's parser in the same run.

    python bench/message_scan.py [--json]

Prints for each shape of message: microseconds a message for `scan`, for `email.parser.BytesParser`,
and how many times faster the first is. Figures drift with the machine; the ratio counts.
"""

import argparse
import json
import time
from collections.abc import Callable
from email.parser import BytesParser

from mailsuite.message import scan

HEAD = (
    b"Return-Path: <alice@example.test>\r\n"
    b"Received: from client.example.test (client.example.test [192.0.2.1]) by mx.example.test\r\n"
    b"        with ESMTPSA id 4f2c9a; Mon, 23 Nov 2026 09:00:00 +0000\r\n"
    b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
    b"From: Alice Liddell <alice@example.test>\r\n"
    b"Subject: =?utf-8?q?A_subject_of_ordinary_length?=\r\n"
    b"To: Bob <bob@example.test>, Carol <carol@example.test>\r\n"
    b"Message-ID: <4f2c9a.1795424400@example.test>\r\n"
    b"MIME-Version: 1.0\r\n"
)
LINE = b"The quick brown fox jumps over the lazy dog, and then does so once again.\r\n"


def multipart(*parts: bytes, boundary: bytes, subtype: bytes = b"mixed") -> bytes:
    """A multipart entity without header fields of its own but Content-Type."""
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        b"Content-Type: multipart/" + subtype + b'; boundary="' + boundary + b'"\r\n\r\n'
        + body + b"--" + boundary + b"--\r\n"
    )  # fmt: skip


def text(subtype: bytes, lines: int) -> bytes:
    """A text entity."""
    return b'Content-Type: text/%s; charset="utf-8"\r\n\r\n' % subtype + LINE * lines


def attachment(octets: int) -> bytes:
    """An entity in base64, `octets` long."""
    head = (
        b'Content-Type: application/pdf; name="report.pdf"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="report.pdf"\r\n\r\n'
    )
    return head + (b"QUJD" * 19 + b"\r\n") * (octets // 78)


def shapes() -> dict[str, bytes]:
    """The messages that are read, by name."""
    alternative = multipart(
        text(b"plain", 15), text(b"html", 25), boundary=b"=_alt_1", subtype=b"alternative"
    )
    small = HEAD + alternative
    return {
        "4 kB text": HEAD + text(b"plain", 48),
        "4 kB multipart/alternative": small,
        "100 kB with attachment": HEAD
        + multipart(alternative, attachment(100_000), boundary=b"=_mix_1"),
        "5 MB with attachment": HEAD
        + multipart(alternative, attachment(5_000_000), boundary=b"=_mix_1"),
        "digest of 50 messages": HEAD
        + multipart(*[b"\r\n" + small] * 50, boundary=b"=_dig_1", subtype=b"digest"),
    }


def microseconds(call: Callable[[bytes], object], message: bytes) -> float:
    """The best of several runs of about a tenth of a second, for one call."""
    start = time.perf_counter()
    call(message)
    count = max(1, int(0.1 / (time.perf_counter() - start)))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            call(message)
        best = min(best, (time.perf_counter() - start) / count)
    return best * 1e6


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="print JSON instead of a table")
    as_json = arguments.parse_args().json
    rows = []
    for name, message in shapes().items():
        ours = microseconds(scan, message)
        theirs = microseconds(BytesParser().parsebytes, message)
        rows.append(
            {"message": name, "octets": len(message), "scan_us": ours, "email_us": theirs,
             "ratio": theirs / ours}
        )  # fmt: skip
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'message':<28}{'octets':>10}{'scan µs':>12}{'email µs':>12}{'times faster':>14}")
    for row in rows:
        print(
            f"{row['message']:<28}{row['octets']:>10}{row['scan_us']:>12.1f}"
            f"{row['email_us']:>12.1f}{row['ratio']:>14.1f}"
        )


if __name__ == "__main__":
    main()
