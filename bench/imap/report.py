"""The table, line by line as it is measured, and the same as values for JSON."""

import statistics
from typing import Any


class Report:
    """Prints; `rows` is what JSON gets."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._headed = False

    def note(self, text: str) -> None:
        """A line between the rows."""
        print(f"\n{text}", flush=True)
        self._headed = False

    def times(
        self,
        count: int,
        key: str,
        title: str,
        times: dict[str, list[float]],
        *,
        goal: float | None = None,
        first: dict[str, float] | None = None,
    ) -> None:
        """A row of seconds: all rounds of each server."""
        best = {name: min(some) for name, some in times.items()}
        middle = {name: statistics.median(some) for name, some in times.items()}
        self._row(count, key, title, best, 1000, "ms", goal, {"median": middle, "first": first})

    def values(
        self,
        count: int,
        key: str,
        title: str,
        found: dict[str, float],
        *,
        scale: float,
        unit: str,
        goal: float | None = None,
        limit: float | None = None,
    ) -> None:
        """A row of one value each; `limit`: what ours may be at the most, in `unit`."""
        self._row(count, key, title, found, scale, unit, goal, {"limit": limit})

    def _row(
        self,
        count: int,
        key: str,
        title: str,
        found: dict[str, float],
        scale: float,
        unit: str,
        goal: float | None,
        more: dict[str, Any],
    ) -> None:
        ours, theirs = found.get("mailsuite"), found.get("dovecot")
        ratio = ours / theirs if ours is not None and theirs else None
        self.rows.append(
            {"messages": count, "row": key, "title": title, "unit": unit, "scale": scale}
            | {"found": found, "ratio": ratio, "goal": goal}
            | more
        )
        if not self._headed:
            print(f"{'':34}{'mailsuite':>14}{'dovecot':>14}{'ratio':>9}{'goal':>8}")
            self._headed = True
        cells = [f"{'-' if v is None else f'{v * scale:.2f} {unit}':>14}" for v in (ours, theirs)]
        line = f"{title:34}{''.join(cells)}{'-' if ratio is None else f'{ratio:.3f}':>9}"
        line += f"{'' if goal is None else f'{goal:.2f}':>8}"
        if more.get("limit") is not None:
            line += f"{more['limit']:>6g} {unit}"
        missed = (goal is not None and ratio is not None and ratio > goal) or (
            more.get("limit") is not None and ours is not None and ours * scale > more["limit"]
        )
        print(line + (" *" if missed else ""), flush=True)
