"""Replacing a message by another in one step (RFC 8508). Calls block, in the account's writer.

Promises: the old message goes only when the new one is durable; when it cannot go, the new one
does not stay; a crash in between leaves both, never neither. The quota sees the difference only.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mailsuite.store import alter, deliver, records
from mailsuite.store.errors import MessageGone, StoreError
from mailsuite.store.steps import whole
from mailsuite.store.values import Appended

if TYPE_CHECKING:
    from mailsuite.store.attachment import Attachment
    from mailsuite.store.files import AccountFiles
    from mailsuite.store.folder import Folder
    from mailsuite.store.prepared import Request


def replace(
    files: AccountFiles,
    request: Request,
    source: Folder,
    uid: int,
    *,
    origin: Attachment | None,
) -> Appended:
    """Append, then expunge `uid` of `source`. Raises MessageGone, and what both raise."""
    with files.index.reader() as db:
        old = records.entries(db, source.id, [uid])
    if not old:
        raise MessageGone(f"UID {uid}")
    (appended,) = whole(
        deliver.append_group(files, request.name, [request], freed=(1, old[0].size))
    )
    try:
        # Set aside in any case, so that it is there still when the rows cannot be written.
        alter.expunge(files, source, [uid], only_deleted=False, keep=True, origin=origin)
    except (StoreError, OSError):
        with contextlib.suppress(StoreError, OSError):
            target = files.resolve(request.name)
            alter.expunge(files, target, appended.uids, only_deleted=False, keep=False, origin=None)
        raise
    return appended
