"""The table, line by line as it is measured, and the same as values for JSON."""

import dataclasses
import statistics
from typing import Any

from bench.smtp.rows import Took

NAMES = ("mailsuite", "postfix")


class Report:
    """Prints; `rows` is what JSON gets."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def row(
        self, key: str, title: str, found: dict[str, list[Took]], goal: float | None = None
    ) -> None:
        """All rounds of each server; the ratios are medians of those of each round."""
        if not self.rows:
            print(f"{'':32}{'mailsuite':>11}{'postfix':>11}{'ratio':>7}{'goal':>6}", end="")
            print(f"{'CPU a message, µs':>22}{'ratio':>7}{'later':>8}{'later':>8}")
        rates = {
            name: _median([t.messages / t.seconds for t in some]) for name, some in found.items()
        }
        costs = {name: _median([t.cpu / t.messages for t in some]) for name, some in found.items()}
        later = {
            name: _median([t.later / t.messages for t in some]) for name, some in found.items()
        }
        mine, other = (found.get(name, []) for name in NAMES)
        pairs = list(zip(mine, other, strict=False))
        ratio = _median([_rate(a) / _rate(b) for a, b in pairs]) if pairs else None
        cost = _median([_cost(a) / _cost(b) for a, b in pairs if b.cpu]) if pairs else None
        self.rows.append(
            {"row": key, "title": title, "goal": goal, "rate_ratio": ratio, "cpu_ratio": cost}
            | {"messages_per_second": rates, "cpu_per_message": costs, "cpu_later": later}
            | {
                "rounds": {
                    name: list(map(dataclasses.asdict, some)) for name, some in found.items()
                }
            }
        )
        line = f"{title:32}" + "".join(_cell(rates.get(name), "9.1f", "/s") for name in NAMES)
        line += _cell(ratio, "7.2f") + _cell(goal, "6.1f", none="")
        line += "".join(_cell(costs.get(name), "11.0f", scale=1e6) for name in NAMES)
        line += _cell(cost, "7.2f")
        line += "".join(_cell(later.get(name), "8.0f", scale=1e6) for name in NAMES)
        missed = goal is not None and ratio is not None and ratio < goal
        print(line + (" *" if missed else ""), flush=True)


def _rate(took: Took) -> float:
    return took.messages / took.seconds


def _cost(took: Took) -> float:
    return took.cpu / took.messages


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _cell(
    value: float | None, form: str, unit: str = "", *, scale: float = 1.0, none: str = "-"
) -> str:
    width = int(form.partition(".")[0]) + len(unit)
    return f"{none:>{width}}" if value is None else f"{value * scale:{form}}{unit}"
