"""`mailsuite message …`: a look into messages in files."""

import mmap
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.tree import Tree

    from mailsuite.message import Part

app = typer.Typer(help="Messages in files.", no_args_is_help=True)
_ENDS = {
    "LF": ["lines end with LF alone; on the way they end with CRLF"],
    "mixed": ["lone CR or LF, or NUL, among lines that end with CRLF"],
}
SUMMARY = ("From", "Sender", "To", "Cc", "Subject", "Date", "Message-ID")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A message; - is standard input.")],
    json: JsonOption = False,
) -> None:
    """Draw the structure of a message: types, encodings, sizes, names, and what is wrong."""
    try:
        if str(file) == "-":
            found = describe(sys.stdin.buffer.read())
        else:
            with file.open("rb") as opened:
                if opened.seek(0, 2) == 0:
                    raise UserError(f"{file}: the file is empty")
                with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    found = describe(data)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}") from error
    if json:
        output.emit(found)
        return
    for name, value in found["fields"].items():
        output.say(f"{name + ':':<12}{value}")
    if found["fields"]:
        output.say("")
    _draw(found)


def describe(data: bytes | mmap.mmap) -> dict[str, Any]:
    """A message as the dictionary that `--json` prints. Offsets and sizes in octets."""
    from mailsuite.message import decode_words, fields, first_field, scan
    from mailsuite.message.defects import line_ends, message_defects

    root, ends = scan(data), line_ends(data)
    head = fields(data[root.header_start : root.body_start])
    shown = {
        name: decode_words(field.unfolded)
        for name in SUMMARY
        if (field := first_field(head, name)) is not None
    }
    return {
        "size": len(data),
        "line_ends": ends,
        "fields": shown,
        "defects": [*_ENDS.get(ends, ()), *message_defects(data, root)],
        "structure": _part(data, root, "", is_message=True),
    }


def _part(
    data: bytes | mmap.mmap, part: "Part", number: str, is_message: bool = False
) -> dict[str, Any]:
    """One part; `number` is the one that IMAP gives it, or the one of the message that it is.

    A message that is no multipart has one part, its body (RFC 9051 §6.4.5).
    """
    from mailsuite.message import decode_words
    from mailsuite.message.defects import message_defects, part_defects
    from mailsuite.message.structure import boundary_of

    prefix = f"{number}." if number else ""
    if is_message:
        number = "" if part.parts else f"{prefix}1"
    found: dict[str, Any] = {
        "number": number,
        "type": part.content_type,
        "encoding": part.encoding,
        "header": [part.header_start, part.body_start],
        "body": [part.body_start, part.body_end],
        "size": part.body_end - part.body_start,
        "decoded_size": _decoded_size(data, part),
        "lines": part.lines,
        "parameters": part.parameters,
        "charset": part.charset if part.type == "text" else None,
        "boundary": None,
        "filename": part.filename,
        "disposition": part.disposition,
        "content_id": part.content_id.decode("utf-8", "replace") if part.content_id else None,
        "description": decode_words(part.description) if part.description else None,
        "defects": part_defects(data, part),
        "parts": [],
    }
    if part.type == "multipart":
        boundary = boundary_of(part)
        found["boundary"] = None if boundary is None else boundary.decode("utf-8", "replace")
    for count, child in enumerate(part.parts, 1):
        found["parts"].append(_part(data, child, f"{prefix}{count}"))
    if part.message is not None:
        inner = _part(data, part.message, number, is_message=True)
        inner["defects"] = message_defects(data, part.message) + inner["defects"]
        found["message"] = inner
    return found


def _decoded_size(data: bytes | mmap.mmap, part: "Part") -> int | None:
    """What the content has without its transfer encoding; None for what holds parts."""
    from mailsuite.message import decode_body

    if part.parts or part.message is not None:
        return None
    if part.encoding not in ("base64", "quoted-printable"):
        return part.body_end - part.body_start
    return len(decode_body(data[part.body_start : part.body_end], part.encoding))


# -- for people ----------------------------------------------------------------------------------


def _draw(found: dict[str, Any]) -> None:
    from rich.text import Text
    from rich.tree import Tree

    label = Text(f"message, {output.size(found['size'])}", style="bold")
    tree = Tree(_with_defects(label, found["defects"]))
    _grow(tree, found["structure"])
    output.draw(tree)


def _grow(tree: "Tree", part: dict[str, Any]) -> None:
    branch = tree.add(_label(part))
    for child in part["parts"]:
        _grow(branch, child)
    if "message" in part:
        _grow(branch, part["message"])


def _label(part: dict[str, Any]) -> Any:
    from rich.text import Text

    label = Text()
    if part["number"]:
        label.append(f"{part['number']} ", style="bold")
    label.append(output.clean(part["type"]), style="cyan")
    if part["charset"]:
        label.append(output.clean(f" {part['charset']}"))
    label.append(output.clean(f"  {part['encoding']}"), style="dim")
    label.append(f"  {output.size(part['size'])}")
    if part["decoded_size"] not in (None, part["size"]):
        label.append(f" (decoded {output.size(part['decoded_size'])})")
    if part["filename"]:
        label.append(output.clean(f'  "{part["filename"]}"'), style="green")
    for key, word in (
        ("disposition", "{}"),
        ("content_id", "{}"),
        ("description", "“{}”"),
        ("boundary", 'boundary "{}"'),
    ):
        if part[key]:
            label.append(output.clean("  " + word.format(part[key])), style="dim")
    return _with_defects(label, part["defects"])


def _with_defects(label: Any, defects: list[str]) -> Any:
    for defect in defects:
        label.append(output.clean(f"\n! {defect}"), style="red")
    return label
