"""An independent verifier (dkimpy) for what the server signs, with the DNS as a mapping."""

import re
from collections.abc import Mapping

import dkim

Zone = Mapping[str, str]
"""The text of TXT records by name, without the last dot."""


def verified(octets: bytes, zone: Zone) -> bool:
    """Whether the first DKIM-Signature holds. Raises dkim.DKIMException where there can be none."""

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        found = zone.get(name.decode("ascii").removesuffix("."))
        return None if found is None else found.encode("ascii")

    try:
        return bool(dkim.DKIM(octets, minkey=1024).verify(dnsfunc=txt))
    except dkim.ValidationError:
        return False


def signatures(octets: bytes) -> list[dict[str, str]]:
    """The tags of each DKIM-Signature field, without white space."""
    header = octets.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = re.findall(rb"(?im)^DKIM-Signature:((?:[^\r]|\r\n[ \t])*)\r\n", header)
    return [
        dict(tag.split("=", 1) for tag in re.sub(rb"\s", b"", one).decode("ascii").split(";"))
        for one in found
    ]
