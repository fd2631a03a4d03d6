"""The settings file, checked: a Config, or every mistake at once.

Promises: a mistake is told as `file:line: key: what is wrong, what was expected`; nothing but this
file is read, nothing is changed.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mailsuite.base.errors import UserError
from mailsuite.config.listeners import contradictions
from mailsuite.config.schema import Config
from mailsuite.config.section import Section, extra_of
from mailsuite.config.sign_in import contradictions as sign_in_contradictions
from mailsuite.config.source import Document, Location, read
from mailsuite.config.units import format_duration
from mailsuite.config.values import is_loopback, unix_path

MAX_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong (or, as a warning, doubtful). `key` is "" for the whole file."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: "
        return f"{place}{self.key}: {self.text}" if self.key else place + self.text


class ConfigError(UserError):
    """The settings can't be used; the text has one line a mistake."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that can be used, and what is nevertheless doubtful about them."""

    config: Config
    path: Path
    warnings: tuple[Mistake, ...] = ()
    document: Document = field(default_factory=Document, repr=False)

    def at(self, location: Location, text: str) -> Mistake:
        """A remark about the key at `location`."""
        return Mistake(str(self.path), self.document.line(location), dotted(location), text)


def load(path: Path) -> Loaded:
    """Read and check the file. Raises ConfigError, or UserError when it can't be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror} (expected the settings file)") from error
    if len(data) > MAX_FILE:
        raise UserError(f"{path}: larger than {MAX_FILE} octets (expected the settings file)")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Mistake(str(path), line, "", "not UTF-8 text")]) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Loaded:
    """As `load`, from text that stands for the file `path`."""
    document = read(text)
    found = list(document.mistakes)
    config: Config | None = None
    if document.value is None and not found:
        document.value = {}  # an empty file: the defaults
    if document.value is not None:
        try:
            config = Config.model_validate(
                _given(document.value), context={"folder": path.absolute().parent}
            )
        except ValidationError as errors:
            found += [
                (document.line(location), location, text) for location, text in _explained(errors)
            ]
        else:
            found += [(document.line(at), at, text) for at, text in _contradictions(config)]
    if config is None or found:
        found.sort(key=lambda mistake: mistake[0])
        raise ConfigError([Mistake(str(path), line, dotted(at), text) for line, at, text in found])
    loaded = Loaded(config, path, (), document)
    warnings = tuple(loaded.at(location, text) for location, text in _doubts(config))
    return Loaded(config, path, warnings, document)


def _given(value: Any) -> Any:
    """Without the keys that have no value: they count as left away, as in `limits:` alone."""
    if isinstance(value, dict):
        return {key: _given(inner) for key, inner in value.items() if inner is not None}
    return [_given(item) for item in value] if isinstance(value, list) else value


def dotted(location: Location) -> str:
    """`("listeners", 0, "port")` as `listeners[0].port`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


# -- what is wrong, in words ----------------------------------------------------------------------


def _explained(errors: ValidationError) -> Iterator[tuple[Location, str]]:
    seen: set[Location] = set()
    for error in errors.errors(include_url=False):
        location = error["loc"]
        if location in seen or (error["type"] == "too_short" and error["input"]):
            continue  # a list whose every item is wrong; the items are told
        seen.add(location)
        yield location, _explain(error, location)


def _explain(error: ErrorDetails, location: Location) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        section = _section(location[:-1])
        return "unknown key, " + _instead(str(location[-1]), list(section.model_fields))
    key = _field(location)
    expected = str(extra_of(key).get("expected", "a mapping")) if key else "a mapping"
    if kind == "missing":
        return f"missing, expected {expected}"
    if isinstance(location[-1:] and location[-1], int) and kind.startswith("model"):
        expected = _keys_of(_section(location))
    elif not location:
        expected = _keys_of(Config)
    context = error.get("ctx", {})
    wrong = str(context["error"]) if kind == "value_error" else "is not valid"
    text = f"{_shown(error['input'])} {wrong}, expected {expected}"
    if kind == "literal_error" and key is not None and isinstance(error["input"], str):
        text += _hint(error["input"], [str(value) for value in _literals(key.annotation)])
    return text


def _shown(value: Any) -> str:
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = str(value)
    text = text if len(text) <= 60 else text[:59] + "…"
    return f'"{text}"' if isinstance(value, str) else text


def _instead(name: str, known: list[str]) -> str:
    return _hint(name, known).removeprefix("; ") or f"expected one of {', '.join(known)}"


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _keys_of(section: type[BaseModel]) -> str:
    return "a mapping with keys such as " + ", ".join(list(section.model_fields)[:4])


def _field(location: Location) -> FieldInfo | None:
    """The schema's entry for the key at, or around, `location`."""
    section: type[BaseModel] | None = Config
    found: FieldInfo | None = None
    for part in location:
        if isinstance(part, int):
            continue
        if section is None or part not in section.model_fields:
            return found
        found = section.model_fields[part]
        section = _section_in(found.annotation)
    return found


def _section(location: Location) -> type[BaseModel]:
    """The section that is the value at `location`."""
    key = _field(location)
    return (_section_in(key.annotation) if key else None) or Config


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for inner in get_args(annotation):
        found = _section_in(inner)
        if found is not None:
            return found
    return None


def _literals(annotation: Any) -> Iterator[Any]:
    for inner in get_args(annotation):
        if isinstance(inner, str):
            yield inner
        else:
            yield from _literals(inner)


# -- what no single key shows ---------------------------------------------------------------------


def _contradictions(config: Config) -> Iterator[tuple[Location, str]]:
    yield from contradictions(config.listeners)
    for key, text in sign_in_contradictions(config.sign_in):
        yield ("sign_in", key), text
    sockets: dict[tuple[str, int | None], int] = {}
    names: dict[str, int] = {}
    for index, listener in enumerate(config.listeners):
        for address in listener.address:
            first = sockets.setdefault((address, listener.port), index)
            if listener.port and not unix_path(address) and first != index:
                yield (
                    ("listeners", index, "port"),
                    f"{address} port {listener.port} is taken by listeners[{first}],"
                    " expected another address or port",
                )
        if listener.name is not None and names.setdefault(listener.name, index) != index:
            yield (
                ("listeners", index, "name"),
                f'"{listener.name}" is the name of listeners[{names[listener.name]}],'
                " expected another name",
            )
    if config.limits.connections_per_address > config.limits.connections:
        yield (
            ("limits", "connections_per_address"),
            f"{config.limits.connections_per_address} is more than limits.connections,"
            f" expected at most {config.limits.connections}",
        )
    if (ldap := config.ldap) is not None:
        parts = urlsplit(ldap.url)
        if parts.scheme == "ldap" and not ldap.starttls and not is_loopback(parts.hostname or ""):
            yield (
                ("ldap", "url"),
                "shows passwords to others without TLS, expected ldaps:// or starttls: true",
            )
        if (ldap.user is None) != (ldap.password is None):
            yield ("ldap",), "expected user and password, or neither"
    if config.outbound == "smarthost" and config.relay.smarthost is None:
        yield (
            ("outbound",),
            '"smarthost" needs one in relay.smarthost, expected its host there',
        )
    if config.queue.longest_retry < config.queue.first_retry:
        yield (
            ("queue", "longest_retry"),
            "shorter than queue.first_retry,"
            f" expected at least {format_duration(config.queue.first_retry)}",
        )


def _doubts(config: Config) -> Iterator[tuple[Location, str]]:
    if config.hostname is not None and "." not in config.hostname:
        yield (
            ("hostname",),
            f'"{config.hostname}" is not fully qualified, expected a name such as mail.example.org',
        )
    for index, listener in enumerate(config.listeners):
        if listener.proxy_from and not listener.proxy_protocol:
            yield ("listeners", index, "proxy_from"), "has no effect without proxy_protocol: true"
        if {"0.0.0.0/0", "::/0"} & set(listener.proxy_from):
            yield (
                ("listeners", index, "proxy_from"),
                "anybody can claim any address, expected the proxies' own",
            )
        if listener.insecure and listener.protocol != "lmtp":
            yield ("listeners", index, "insecure"), "has no effect but for lmtp"
        if listener.tls == "none" and listener.protocol == "odmr":
            yield (
                ("listeners", index, "tls"),
                "mail goes in the clear there, and hosts sign in by CRAM-MD5 or SCRAM only,"
                " expected starttls or implicit where the hosts can do it",
            )
        elif listener.tls == "none" and listener.protocol not in ("smtp", "lmtp"):
            yield (
                ("listeners", index, "tls"),
                "nobody can sign in without TLS, expected starttls or implicit",
            )
        if listener.protocol == "odmr" and not config.relay.atrn:
            yield (
                ("listeners", index, "protocol"),
                "nobody has mail to fetch: relay.atrn is empty, expected accounts and domains",
            )
    held = {domain for each in config.relay.atrn if each.held for domain in each.domains}
    if both := held.intersection(config.relay.etrn):
        yield (
            ("relay", "etrn"),
            f"has no effect for {min(both)}, whose mail is held for its host (relay.atrn)",
        )
    if config.outbound == "allowlist" and not config.relay.allow:
        yield ("outbound",), "nothing is sent: relay.allow is empty, expected domains or addresses"
    if config.outbound == "direct" and config.relay.smarthost is not None:
        yield (
            ("relay", "smarthost"),
            "has no effect with outbound: direct, expected smarthost there",
        )
    if config.group is not None and config.user is None:
        yield ("group",), "has no effect without user"
    if config.tls is None and any(listener.tls != "none" for listener in config.listeners):
        yield (
            ("tls",),
            "no certificate is set; the server makes one of its own, which clients warn about",
        )
