"""Pure. What a writer job has changed, for the views on the loop to take in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailsuite.store.values import Totals

if TYPE_CHECKING:
    from mailsuite.store.acl import Acl
    from mailsuite.store.attachment import Attachment
    from mailsuite.store.folder import Folder


@dataclass(slots=True)
class Update:
    """Changes of one mailbox under one MODSEQ.

    appended   (UID, state), ascending, all greater than the UIDs before
    in_new     those of them whose files lie in new/
    flags      (UID, new state)
    expunged   UIDs, ascending; `kept` tells that their files are still there for a while
    renamed    its new name; `old` the one before
    deleted    the mailbox itself is gone
    acl        its new access control list
    origin, actor  who has caused it: a session on the mailbox, whoever asked for it (see `feed`)
    uidnext, highestmodseq, totals  after the change
    """

    folder: Folder
    modseq: int
    mailboxid: str = field(init=False)
    uidnext: int = field(init=False)
    highestmodseq: int = field(init=False)
    totals: Totals = field(init=False)
    appended: list[tuple[int, str]] = field(default_factory=list)
    in_new: list[int] = field(default_factory=list)
    flags: list[tuple[int, str]] = field(default_factory=list)
    expunged: list[int] = field(default_factory=list)
    kept: bool = False
    renamed: str | None = None
    old: str = ""
    deleted: bool = False
    acl: Acl | None = None
    origin: Attachment | None = None
    actor: object | None = None

    def __post_init__(self) -> None:
        self.mailboxid = self.folder.sidecar.mailboxid
        self.uidnext = self.folder.uidnext
        self.highestmodseq = self.folder.highestmodseq
        self.totals = self.folder.totals
