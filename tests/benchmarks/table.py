"""The table: a row says what was measured, against what, and whether that is enough."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """`ratio` is what is judged: at least `least` where `more` is better, at most where it isn't; so with `aim`."""

    row: str
    what: str
    measured: float
    against: str
    baseline: float
    unit: str
    ratio: float
    least: float
    aim: float | None = None
    more: bool = False

    @property
    def reached(self) -> str:
        """`aim`, `yes` or `no`."""
        if self.aim is not None and self._holds(self.aim):
            return "aim"
        return "yes" if self._holds(self.least) else "no"

    def _holds(self, bound: float) -> bool:
        return self.ratio >= bound if self.more else self.ratio <= bound

    def cells(self) -> list[str]:
        """As the table prints them."""
        sign = "≥" if self.more else "≤"
        aim = "" if self.aim is None else f"{sign} {self.aim:g} ×"
        return [
            self.what, f"{number(self.measured)} {self.unit}", self.against, f"{number(self.baseline)} {self.unit}",
            f"{self.ratio:.2f} ×", f"{sign} {self.least:g} ×", aim, self.reached,
        ]  # fmt: skip

    def as_json(self) -> dict[str, object]:
        """All of it."""
        return asdict(self) | {"reached": self.reached}


HEAD = ["what", "measured", "against", "baseline", "ratio", "at least", "aim", "reached"]


def number(value: float) -> str:
    """With three digits or more."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 10 else f"{value:.1f}"


def markdown(rows: Iterable[Row]) -> str:
    """As docs/performance.md has it."""
    lines = [HEAD, ["---"] * len(HEAD), *[row.cells() for row in rows]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def console(rows: Iterable[Row]) -> str:
    """In columns."""
    lines = [HEAD, *[row.cells() for row in rows]]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
