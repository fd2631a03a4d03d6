"""Pure. Dates of messages: lenient in, strict out (RFC 5322 §3.3, §4.3)."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from mailsuite.message.parameters import strip_comments

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_ZONE = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "bst": 60, "cet": 60, "west": 60, "cest": 120,
    "eet": 120, "msk": 180, "eest": 180, "ist": 330, "hkt": 480, "jst": 540, "kst": 540,
    "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480,
    "pdt": -420, "met": 60, "mest": 120,
}  # fmt: skip

_TIME = (
    r"(?P<hour>\d{1,2})\s*[:.]\s*(?P<minute>\d{1,2})(?:\s*[:.]\s*(?P<second>\d{1,2})(?:[.,]\d+)?)?"
)
_OFFSET = r"(?P<half>[ap]\.?m\.?)?\s*(?P<zone>(?:gmt|utc?)?\s*[+-]\s?\d{1,2}:?\d{2}|[a-z]{1,5}\b)?"
_MAIL = re.compile(
    r"\s*(?:[a-z]{2,9}\.?\s*,?\s*)?(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s,.-]*(?P<month>[a-z]{3,9})"
    rf"[\s,.-]*(?P<year>\d{{2,4}})(?:[\s,]*{_TIME}\s*{_OFFSET})?",
    re.IGNORECASE | re.ASCII,
)
_ASCTIME = re.compile(
    rf"\s*(?:[a-z]{{3,9}}\s*,?\s+)?(?P<month>[a-z]{{3,9}})\s+(?P<day>\d{{1,2}}),?\s+{_TIME}\s+"
    r"(?P<before>[a-z]{1,5}\s+|[+-]\d{4}\s+)?(?P<year>\d{4})\s*(?P<half>)(?P<zone>[+-]\d{4})?",
    re.IGNORECASE | re.ASCII,
)
_ISO = re.compile(
    rf"\s*(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}})(?:[t\s]+{_TIME}\s*{_OFFSET})?",
    re.IGNORECASE | re.ASCII,
)
_LONGEST = 500
# date-time with its obsolete forms, comments taken away (RFC 5322 §3.3, §4.3)
_DATE_TIME = re.compile(
    rf" ?(?:(?:{'|'.join(_DAYS)}) ?, ?)?\d{{1,2}} ?(?:{'|'.join(_MONTHS)}) ?\d{{2,}} "
    r"\d{1,2} ?: ?\d{1,2}(?: ?: ?\d{1,2})?(?: [+-]\d{4}| ?[a-z]{1,5}) ?",
    re.IGNORECASE | re.ASCII,
)


def is_date(value: bytes) -> bool:
    """Whether a Date field body is a date-time, be it in an obsolete form, that there can be."""
    text = strip_comments(value[:_LONGEST], inside_words=True).decode("latin-1")
    form = _DATE_TIME.fullmatch(" ".join(text.split()))
    return form is not None and parse_date(value) is not None


def parse_date(value: bytes, *, any_time: bool = False) -> datetime | None:
    """The moment that a Date field body names, with its time zone, or None.

    `any_time`: a time that there is not (25:00) is taken as 00:00:00 (RFC 5256 §2.2).

    Takes the obsolete forms (two-digit years, zone names, comments anywhere), a missing day name,
    missing seconds, time or zone (then UTC), asctime() and ISO 8601. A leap second is second 59.
    """
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    text = strip_comments(value[:_LONGEST], inside_words=True).decode("latin-1")
    text = " ".join(text.split())
    for form in (_MAIL, _ASCTIME, _ISO):
        if match := form.match(text):
            found = match.groupdict()
            date = _datetime(found)
            if date is None and any_time:
                date = _datetime(found | {"hour": "0", "minute": "0", "second": "0", "half": ""})
            return date
    return None


def _datetime(found: dict[str, str | None]) -> datetime | None:
    month_text = found["month"] or ""
    month = int(month_text) if month_text.isdigit() else _MONTH.get(month_text[:3].lower(), 0)
    year_text = found["year"] or ""
    year = int(year_text)
    if len(year_text) == 2:  # RFC 5322 §4.3
        year += 2000 if year < 50 else 1900
    elif len(year_text) == 3:
        year += 1900
    if not 1900 <= year <= 9998:
        return None
    hour = int(found["hour"] or 0)
    half = (found["half"] or "").lower()
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half[0] == "p" else 0)
    zone = found["zone"] or found.get("before") or ""
    try:
        return datetime(
            year,
            month,
            int(found["day"] or 0),
            hour,
            int(found["minute"] or 0),
            min(int(found["second"] or 0), 59),
            tzinfo=_zone(zone),
        )
    except ValueError:
        return None


def _zone(text: str) -> timezone:
    """Time zone of `+0100`, `EST`, `GMT+1:00`; UTC where it has no meaning (RFC 5322 §4.3)."""
    text = text.strip().lower()
    digits = "".join(char for char in text if char in "0123456789")
    if not digits:
        minutes = _ZONE.get(text, 0)
    else:
        digits = digits.zfill(4)
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        if "-" in text:
            minutes = -minutes
    if minutes == 0 or abs(minutes) >= 24 * 60:
        return UTC
    return timezone(timedelta(minutes=minutes))


def format_date(epoch: float, *, offset: int = 0) -> bytes:
    """`date-time` of RFC 5322 §3.3: b"Mon, 23 Nov 2026 09:00:00 +0000".

    epoch   seconds since 1970
    offset  of the zone to write it in, in minutes east of Greenwich
    """
    return _date_of(int(epoch), offset)


@lru_cache(16)  # mail comes many times a second
def _date_of(second: int, offset: int) -> bytes:
    zone = timezone(timedelta(minutes=offset))
    moment = datetime.fromtimestamp(second, zone)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04} "
        f"{moment.hour:02}:{moment.minute:02}:{moment.second:02} {sign}{hours:02}{minutes:02}"
    ).encode("ascii")
