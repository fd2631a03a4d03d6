"""Pure. What of a source is to be brought over, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mailsuite.base.errors import UserError

TOLD = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """The operator's options.

    only, without    patterns of folder names ("*" and "?", case does not count)
    into             a folder above all that is brought over, or ""
    remove_vanished  take out what has come over and is gone at the source
    keep_uids        UIDs of the source where the local mailbox is new
    unique_ids       form of the source's POP3 unique ids (`store.unique_ids`); "": Dovecot's own
                     where the source is Dovecot, else none are known
    """

    only: Sequence[str] = ()
    without: Sequence[str] = ()
    into: str = ""
    remove_vanished: bool = False
    keep_uids: bool = True
    unique_ids: str = ""

    def takes(self, name: str) -> bool:
        """Is this folder wanted? A pattern also names what lies below."""
        return (not self.only or _any(name, self.only)) and not _any(name, self.without)

    def require(self, taken: Collection[object], there: Iterable[str]) -> None:
        """UserError where the patterns leave nothing of what is there: one is mistyped."""
        names = sorted(there)
        if taken or not names or self.remove_vanished or not (self.only or self.without):
            return
        told = ", ".join(names[:TOLD]) + (" …" if len(names) > TOLD else "")
        raise UserError(f"no folder is left by --folder and --without (there are: {told})")

    def placed(self, local: str) -> str:
        """Where a folder goes."""
        return f"{self.into}/{local}" if self.into else local


def _any(name: str, patterns: Sequence[str]) -> bool:
    name = name.casefold()
    levels = name.split("/")
    names = ["/".join(levels[:count]) for count in range(1, len(levels) + 1)]
    return any(fnmatchcase(one, pattern.casefold()) for pattern in patterns for one in names)
