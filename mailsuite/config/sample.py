"""Pure. The complete settings file, annotated: written from the schema, so it can't go stale."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from mailsuite.config.schema import Config
from mailsuite.config.section import Section, extra_of
from mailsuite.config.source import read

WIDTH = 88
RELOAD = " [reload]"
HEAD = """\
# All settings of mailsuite, with their defaults; made by `mailsuite config sample`.
# A file of your own needs only the keys that differ. A key that is switched off here (#key: …)
# shows an example. Check a file with `mailsuite config check`.
#
# [reload]: a change is put in force by SIGHUP (systemctl reload mailsuite); the others wait for a
# restart. Sizes: 64 kB, 50 MB, 1 GiB. Durations: 30s, 5m, 4h, 5d.
"""


def sample() -> str:
    """YAML that says the same as the defaults."""
    return HEAD + "".join("\n" + text for text in _section(Config(), ""))


def _section(section: Section, indent: str) -> Iterator[str]:
    """One text a key: its comment and its value."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        comment = _comment(field, indent)
        if isinstance(value, Section):
            comment = comment.replace(RELOAD, "")  # its keys say it
            yield comment + f"{indent}{name}:\n" + "".join(_section(value, indent + "  "))
        elif value is None and (inner := _optional(field)) is not None:
            yield comment + f"{indent}#{name}:\n" + "".join(_examples(inner, indent))
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            yield comment + f"{indent}{name}:\n" + "".join(_items(value, indent + "  "))
        elif value is None:
            yield comment + f"{indent}#{name}: {extra_of(field)['example']}\n"
        else:
            yield comment + f"{indent}{name}: {_written(value, field)}\n"


def _examples(section: type[Section], indent: str) -> Iterator[str]:
    """A section that is left away by default: its keys with their examples, switched off."""
    for name, field in section.model_fields.items():
        text = _comment(field, "  ") + f"  {name}: {extra_of(field)['example']}\n"
        yield "".join(f"{indent}#{line}" for line in text.splitlines(keepends=True))


def _items(sections: tuple[Section, ...], indent: str) -> Iterator[str]:
    """A list: its first item with all keys explained, the others on a line each."""
    lines = "".join(_section(sections[0], indent + "  ")).splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if not line.lstrip().startswith("#"))
    lines[first] = indent + "- " + lines[first].lstrip()
    yield from lines
    for section in sections[1:]:
        pairs = (
            f"{name}: {_written(getattr(section, name), field)}"
            for name, field in type(section).model_fields.items()
            if name in section.model_fields_set
        )
        yield f"{indent}- {{{', '.join(pairs)}}}\n"


def _comment(field: FieldInfo, indent: str) -> str:
    text = (field.description or "") + (RELOAD if extra_of(field).get("live") else "")
    mark = indent + "# "
    lines = textwrap.wrap(text, WIDTH, initial_indent=mark, subsequent_indent=mark)
    return "\n".join(lines) + "\n"


def _optional(field: FieldInfo) -> type[Section] | None:
    """The section in an annotation such as `Tls | None`."""
    for inner in get_args(field.annotation):
        if isinstance(inner, type) and issubclass(inner, Section):
            return inner
    return None


def _written(value: Any, field: FieldInfo) -> str:
    show = extra_of(field).get("show")
    if isinstance(value, tuple):
        return "[" + ", ".join(_scalar(show(item) if show else item) for item in value) + "]"
    return _scalar(show(value) if show else value)


def _scalar(value: Any) -> str:
    """A scalar as plain as YAML reads it back unchanged."""
    if isinstance(value, int | float):
        return str(value).lower()
    text = str(value) if isinstance(value, Path) else value
    plain = text and not set(text) & set(",[]{}") and text[0].isalnum()
    document = read(f"key: {text}\n") if plain or text.startswith("/") else None
    return text if document and document.value == {"key": text} else f'"{text}"'
