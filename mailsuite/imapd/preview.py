"""FETCH PREVIEW: the first words of a message (RFC 8970). They are computed at delivery.

LAZY: where they have not been yet (the index has been begun anew), NIL instead of a wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailsuite.imapd.syntax import response

if TYPE_CHECKING:
    from mailsuite.imapd.fetching import Plan, Render
    from mailsuite.imapd.view import View
    from mailsuite.store import Row


def preview(plan: Plan) -> Render:
    return _render(plan.column("preview"))


def lazy_preview(plan: Plan) -> Render:
    return _render(plan.column("preview", lazy=True))


def _render(column: int) -> Render:
    def render(view: View, row: Row) -> bytes:
        return b"PREVIEW " + response.nstring(row[column])

    return render
