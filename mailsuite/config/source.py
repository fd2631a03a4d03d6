"""Pure. YAML text to plain values with the line of every key; runs no code of the document.

Promises: each mistake of form carries its line; duplicate keys are mistakes; a plain scalar is a
number, a truth value or null only when written in the one usual way, and text otherwise (no
sexagesimal or octal numbers, no dates).
"""

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

MAX_NODES = 20_000
MAX_DEPTH = 20

Location: TypeAlias = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}\Z")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "on", "On"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "off", "Off"), False),
}
_PLAIN_TAGS = frozenset(
    "tag:yaml.org,2002:" + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)


@dataclass(slots=True)
class Document:
    """What the text says.

    value     plain values
    lines     line (from 1) of each key or list item, by its location
    mistakes  (line, location, text) of what is not well-formed
    """

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    mistakes: list[tuple[int, Location, str]] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """The line of `location`, or of the nearest thing around it."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)


def read(text: str) -> Document:
    """The document; where it can't be read at all, `mistakes` has one entry and `value` is None."""
    document = Document()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        document.mistakes.append((mark.line + 1 if mark else 1, (), f"not valid YAML: {reason}"))
        return document
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.mistakes.append((line, (), f"not valid YAML: {error.reason}"))
        return document
    except RecursionError:
        document.mistakes.append((1, (), "not valid YAML: nested too deep"))
        return document
    if node is not None:
        document.value = _Builder(document).build(node, (), 0)
    return document


class _Builder:
    """Turns nodes into values. Anchors may be used again, within the bound on nodes."""

    __slots__ = ("_count", "_document")

    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def _wrong(self, node: yaml.Node, location: Location, text: str) -> None:
        self._document.mistakes.append((node.start_mark.line + 1, location, text))

    def build(self, node: yaml.Node, location: Location, depth: int) -> Any:
        self._document.lines.setdefault(location, node.start_mark.line + 1)
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            if self._count <= MAX_NODES + 1:
                self._wrong(node, location, "nested too deep or too long")
            self._count = max(self._count, MAX_NODES + 1)
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, location, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [
                self.build(item, (*location, index), depth + 1)
                for index, item in enumerate(node.value)
            ]
        if isinstance(node, yaml.ScalarNode) and node.tag in _PLAIN_TAGS:
            return _scalar(node)
        self._wrong(node, location, f"tag {node.tag} is not allowed, expected a plain value")
        return None

    def _mapping(self, node: yaml.MappingNode, location: Location, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, location, "a key is a list or mapping, expected a name")
                continue
            name = str(key.value)
            here = (*location, name)
            if name in values:
                first = self._document.lines[here]
                self._wrong(key, here, f"given twice, first in line {first}; expected once")
                continue
            self._document.lines[here] = key.start_mark.line + 1
            values[name] = self.build(value, here, depth + 1)
        return values


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None or node.tag == "tag:yaml.org,2002:str":
        return text  # quoted, or a block
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
