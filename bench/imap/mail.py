"""Mail as it is seen in the wild, made up: the same number gives the same mailbox every time.

Threads, mailing lists, multipart, attachments, several charsets and transfer encodings, trace
fields and signatures of the lengths that real ones have; about 5 kB a message, one in 2,000 of a
megabyte. Lines end in CRLF.
"""

import base64
import itertools
import quopri
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

START = 1_700_000_000
SYLLABLES = re.findall("..", "bacedifoguhajekilomunapequrosutavewixoyuzach")
RARE = "xylophonist"
"""A word in the body of five messages."""
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
DAYS = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
FOREIGN = {
    "iso-8859-1": "Grüße aus Köln, die Übergabe wäre schön für Jürgen und Zoë à bientôt ",
    "koi8-r": "Здравствуйте, отправляю вам документы, о которых мы говорили вчера ",
    "iso-2022-jp": "お世話になっております。来週の会議の資料をお送りいたします。",
    "euc-kr": "안녕하세요 다음 주 회의 자료를 보내 드립니다 감사합니다 ",
    "utf-8": "Zażółć gęślą jaźń – “quoted” … 你好，附件是合同 🙂 ",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its octets, when it came (seconds), and its Maildir flags."""

    octets: bytes
    time: int
    flags: str


class Writer:
    """Makes a mailbox of `count` messages."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._rng = rng = random.Random(count)
        words = sorted(
            {"".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3, 3, 4)))) for _ in range(9000)}
        )
        rng.shuffle(words)
        sums = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(words))))
        self._words = rng.choices(words, cum_weights=sums, k=1 << 16)
        self._lines = [" ".join(self._some(11)) for _ in range(8192)]
        self._soup = base64.encodebytes(rng.randbytes(1 << 20)).replace(b"\n", b"\r\n")
        self._foreign = {name: self._encoded(name) for name in FOREIGN}
        self._recent: list[tuple[str, str, str]] = []  # subject, references, list or ""
        self._rare = set(rng.sample(range(count), min(5, count)))

    def messages(self) -> Iterator[Message]:
        """The whole mailbox, oldest first."""
        rng, time = self._rng, START
        for number in range(self._count):
            time += rng.randrange(1, 700)
            head = self._head(number, time)
            body = self._body(number)
            flags = rng.choices(("S", "", "RS", "FS", "ST"), (70, 18, 9, 2, 1))[0]
            yield Message("\r\n".join(head).encode() + b"\r\n" + body, time, flags)

    def _some(self, count: int) -> list[str]:
        start = self._rng.randrange(len(self._words) - count)
        return self._words[start : start + count]

    def _encoded(self, charset: str) -> tuple[bytes, str]:
        text = "\r\n".join([FOREIGN[charset]] * 14).encode(charset)
        match charset:
            case "iso-8859-1":
                return quopri.encodestring(text).replace(b"\n", b"\r\n"), "quoted-printable"
            case "iso-2022-jp":
                return text, "7bit"
        return base64.encodebytes(text).replace(b"\n", b"\r\n"), "base64"

    # -- header ------------------------------------------------------------------------------------

    def _head(self, number: int, time: int) -> list[str]:
        rng = self._rng
        token = rng.getrandbits(256)
        writer = f"writer{rng.randrange(400)}"
        name = " ".join(self._some(2)).title()
        host = f"mx{number % 7}.example.org"
        date = _date(time)
        thread = self._thread(number, token)
        lines = [
            f"Return-Path: <{writer}@example.org>",
            "Delivered-To: bob@example.test",
            f"Received: from {host} ({host} [192.0.2.{number % 250}])\r\n\tby mail.example.test"
            f" with ESMTPS id {token & 0xFFFFFFFF:08x}\r\n\tfor <bob@example.test>; {date}",
            f"Received: from client.example.org (unknown [198.51.100.{number % 200}])\r\n"
            f"\tby {host} (Postfix) with ESMTPSA id {token & 0xFFFFFFFFFF:010X};\r\n\t{date}",
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail;\r\n"
            f"\th=from:to:subject:date; bh={token:064x};\r\n\tb={token * 31:066x}{token * 7:066x}",
            f"Date: {date}",
            f"From: {self._name(name)} <{writer}@example.org>",
            f"To: Bob Example <bob@example.test>{self._others()}",
            *thread,
            "MIME-Version: 1.0",
        ]
        if number % 11 == 0:
            lines.append(f"Cc: {', '.join(f'{w}@example.com' for w in self._some(4))}")
        if number % 5 == 0:
            lines.append("User-Agent: Mozilla Thunderbird\r\nX-Spam-Status: No, score=-2.1")
        return lines

    def _others(self) -> str:
        if self._rng.random() < 0.8:
            return ""
        return "".join(f",\r\n\t{w.title()} <{w}@example.net>" for w in self._some(3))

    def _name(self, name: str) -> str:
        if self._rng.random() < 0.9:
            return name
        word = base64.b64encode(f"{name} Žluťoučký".encode()).decode()
        return f"=?utf-8?B?{word}?="

    def _thread(self, number: int, token: int) -> list[str]:
        rng, recent = self._rng, self._recent
        own = f"<{token & 0xFFFFFFFFFFFF:012x}.{number}@example.org>"
        if recent and rng.random() < 0.6:
            subject, references, group = recent[rng.randrange(len(recent))]
            parent = references.rsplit(" ", 1)[-1]
            lines = [
                f"Subject: Re: {subject}",
                f"In-Reply-To: {parent}",
                "References: " + references.replace(" ", "\r\n\t"),
            ]
            references = f"{references} {own}"
        else:
            subject = " ".join(self._some(rng.randrange(2, 8))).capitalize()
            if rng.random() < 0.1:
                subject = "=?iso-8859-1?Q?Gr=FC=DFe:_" + subject.replace(" ", "_")[:40] + "?="
            group = f"{self._some(1)[0]}-list" if rng.random() < 0.25 else ""
            lines, references = [f"Subject: {subject}"], own
        if group:
            lines.append(
                f"List-Id: <{group}.example.org>\r\n"
                f"List-Unsubscribe: <mailto:{group}-leave@example.org>\r\nPrecedence: list"
            )
        lines.append(f"Message-ID: {own}")
        if len(references) < 900:
            recent.append((subject, references, group))
            if len(recent) > 300:
                recent.pop(0)
        return lines

    # -- body --------------------------------------------------------------------------------------

    def _text(self, number: int) -> bytes:
        rng = self._rng
        count = rng.randrange(8, 70)
        start = rng.randrange(len(self._lines) - count)
        lines = self._lines[start : start + count]
        if number in self._rare:
            lines[count // 2] += f" {RARE}"
        return "\r\n".join([*lines, "", "-- ", "Writer", ""]).encode()

    def _body(self, number: int) -> bytes:
        rng = self._rng
        text = self._text(number)
        if number % 2000 == 1999:
            return self._mixed(text, 1_000_000)
        kind = (
            "plain"
            if number in self._rare
            else rng.choices(
                ("plain", "alternative", "mixed", "foreign", "nested"), (45, 26, 6, 20, 3)
            )[0]
        )
        match kind:
            case "alternative":
                return self._alternative(text)
            case "mixed":
                return self._mixed(text, rng.randrange(2_000, 30_000))
            case "nested":
                inner = b"From: x@example.org\r\nSubject: inner\r\n\r\n" + text[:900] + b"\r\n"
                return _multipart(
                    "mixed",
                    [
                        b"Content-Type: text/plain\r\n\r\n" + text,
                        b"Content-Type: message/rfc822\r\n\r\n" + inner,
                    ],
                )
            case "foreign":
                charset = rng.choice(list(FOREIGN))
                octets, encoding = self._foreign[charset]
                head = f"Content-Type: text/plain; charset={charset}\r\n"
                head += f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
                return head.encode() + octets + b"\r\n"
        return (
            b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
            + text
        )

    def _alternative(self, text: bytes) -> bytes:
        html = b"<html><body><p>" + text.replace(b"\r\n", b"<br>\r\n") + b"</p></body></html>"
        return _multipart(
            "alternative",
            [
                b"Content-Type: text/plain; charset=utf-8; format=flowed\r\n\r\n" + text[:1500],
                b"Content-Type: text/html; charset=utf-8\r\n"
                b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + html.replace(b"=", b"=3D"),
            ],
        )

    def _mixed(self, text: bytes, size: int) -> bytes:
        start = self._rng.randrange(0, len(self._soup) - size, 78)
        return _multipart(
            "mixed",
            [
                b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text,
                b'Content-Type: application/pdf; name="report.pdf"\r\n'
                b"Content-Transfer-Encoding: base64\r\n"
                b'Content-Disposition: attachment; filename="report.pdf"\r\n\r\n'
                + self._soup[start : start + size // 78 * 78],
            ],
        )


def _multipart(subtype: str, parts: list[bytes]) -> bytes:
    boundary = b"=_part_7f3a"
    head = b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (subtype.encode(), boundary)
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    return head + body + b"--%b--\r\n" % boundary


def _date(time: int) -> str:
    days, rest = divmod(time, 86400)
    # A calendar of months with 30 days: dates need to be valid and ordered, not the sun's.
    month, day = divmod(days % 336, 28)
    year = 1970 + days // 336
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{DAYS[days % 7]}, {day + 1} {MONTHS[month]} {year} {clock} +0000"
