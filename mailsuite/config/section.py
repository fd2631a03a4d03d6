"""What the schema is made of: sections, and keys with their explanations."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(
    description: str,
    expected: str,
    default: Any = ...,
    *,
    example: str | None = None,
    live: bool = False,
    show: Callable[[Any], str] | None = None,
    **bounds: Any,
) -> Any:
    """One key.

    description  what it does, for `config sample`
    expected     what may stand there; completes "expected …" in an error
    example      YAML shown, commented out, where the default is to leave the key away
    live         a reload (SIGHUP) puts a changed value in force; others wait for a restart
    show         writes a value as it stands in the file, where that is not plain
    """
    extra: dict[str, Any] = {
        "expected": expected,
        "example": example,
        "live": live,
        "show": show,
    }
    return Field(default, description=description, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """A mapping of the file. Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def extra_of(field: Any) -> dict[str, Any]:
    """What `setting` noted about a key."""
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}
