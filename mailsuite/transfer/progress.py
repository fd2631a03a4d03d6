"""How far an import or export is, and what was noticed on the way. It only holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

MAX_NOTES = 50


@dataclass(slots=True)
class Progress:
    """Told to whoever watches; `as_dict` is what JSON carries.

    doing      what is going on, for people
    done, total  of `unit`: "messages" or "octets"; total 0: not known yet
    new        messages that have come over
    known      messages that were there from an earlier run
    changed    messages whose flags were brought up to date
    removed    messages taken out because they are gone at the source
    left       messages and folders that could not be brought over; the notes say why
    octets     of the messages that have come over
    notes      what the operator should know; `more_notes` counts those beyond `MAX_NOTES`
    """

    doing: str = ""
    unit: str = "messages"
    done: int = 0
    total: int = 0
    folders: int = 0
    new: int = 0
    known: int = 0
    changed: int = 0
    removed: int = 0
    left: int = 0
    octets: int = 0
    notes: list[str] = field(default_factory=list)
    more_notes: int = 0

    def note(self, text: str) -> None:
        """Something to tell at the end."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)
        else:
            self.more_notes += 1

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
