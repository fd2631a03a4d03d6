"""Pure. The types of single settings, strict and with their own words.

Each reads the plain value of the settings file (str, int, bool, list, dict) and raises ValueError
with what is wrong; what was expected stands in the schema beside the key.
"""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ValidationInfo

from mailsuite.config.units import parse_duration, parse_size
from mailsuite.message import normalise_domain, parse_mailbox

UNIX = "unix:"
_SEPARATORS = "+-_=#~!$%&*/^|"


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return parse_size(value)
    return value  # a plain number is octets


def _duration(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if info.context is not None:  # in a file; code means seconds
        raise ValueError("has no unit")
    return float(value)


def _hostname(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        name = normalise_domain(value.removesuffix("."))
    except ValueError as error:
        raise ValueError("is not a host name") from error
    if name.startswith("["):
        raise ValueError("is not a host name")
    return name


def _mail_address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_mailbox(value)
    except ValueError as error:
        raise ValueError("is not an address") from error


def _ip_address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        # "fe80::1%eth0" has a zone; the interface is looked for when the socket is bound.
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise ValueError("is not an IP address") from error


def _network(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError("is not a network") from error


def _listen_address(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str) and value.startswith(UNIX):
        return f"{UNIX}{_path(value.removeprefix(UNIX), info)}"
    return _ip_address(value)


def unix_path(address: str) -> Path | None:
    """The file of an address such as "unix:/run/x.sock"; None for IP addresses."""
    return Path(address.removeprefix(UNIX)) if address.startswith(UNIX) else None


def _nameserver(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        split_nameserver(value)
    except ValueError as error:
        raise ValueError("is not an IP address, with or without a port") from error
    return value


def split_nameserver(text: str) -> tuple[str, int]:
    """Address and port of "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53"."""
    address, port = text, "53"
    if text.startswith("["):
        address, found, port = text[1:].partition("]:")
        if not found:
            address, port = text[1:].removesuffix("]"), "53"
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    if not 0 < number < 65536:
        raise ValueError("not a port")
    return str(ipaddress.ip_address(address)), number


def _host_or_address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return _hostname(value)


def _domain_pattern(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    dot = "." if value.startswith(".") else ""
    try:
        return dot + normalise_domain(value.removeprefix("."))
    except ValueError as error:
        raise ValueError("is not a domain") from error


def _address_pattern(value: Any) -> Any:
    return (
        _mail_address(value) if isinstance(value, str) and "@" in value else _domain_pattern(value)
    )


def _path(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        raise ValueError("is not a path")
    if not value or "\0" in value:
        raise ValueError("is not a path")
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / value


def _web_address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        found = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        found = False
    if not found or parts.scheme not in ("http", "https") or not value.isascii():
        raise ValueError("is not a web address")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("shows secrets to others without https")
    return value


def _ldap_address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        found = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        found = False
    if not found or parts.scheme not in ("ldap", "ldaps") or parts.path not in ("", "/"):
        raise ValueError("is not the address of an LDAP server")
    return value


def is_loopback(host: str) -> bool:
    """Whether the name or address is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _separator(value: Any) -> Any:
    if isinstance(value, str) and value and (len(value) != 1 or value not in _SEPARATORS):
        raise ValueError("can't be a separator")
    return value


def _several(value: Any) -> Any:
    """A list may be written as its only item."""
    return tuple(value) if isinstance(value, list) else (value,) if _is_scalar(value) else value


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _off(value: Any) -> Any:
    """Without quotes the word `off` is a boolean in YAML."""
    return "off" if value is False else value


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def validator(call: Callable[..., Any]) -> BeforeValidator:
    return BeforeValidator(call)


Size = Annotated[int, validator(_size)]
Duration = Annotated[float, validator(_duration)]
HostName = Annotated[str, validator(_hostname)]
MailAddress = Annotated[str, validator(_mail_address)]
Nameserver = Annotated[str, validator(_nameserver)]
HostOrAddress = Annotated[str, validator(_host_or_address)]
DomainPattern = Annotated[str, validator(_domain_pattern)]
AddressPattern = Annotated[str, validator(_address_pattern)]
IpAddress = Annotated[str, validator(_ip_address)]
Network = Annotated[str, validator(_network)]
LdapAddress = Annotated[str, validator(_ldap_address)]
WebAddress = Annotated[str, validator(_web_address)]
ListenAddress = Annotated[str, validator(_listen_address)]
FilePath = Annotated[Path, validator(_path)]
Separator = Annotated[str, validator(_separator)]
OneOrMore = validator(_several)
ListOf = validator(_listed)
Off = validator(_off)
