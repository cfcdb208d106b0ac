"""Numbers → the shapes of small charts, which the templates draw as SVG. Knows no database and no colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo

from monitor.model import Pickup, record

BAR, GAP, HEIGHT = 9, 3, 36  # of a bar chart, in units of its view box
WIDE, HIGH = 600, 90  # of a line chart


@record
class Bar:
    """One day: place and height in the chart, and what a reader hears of it."""

    x: int
    y: float
    height: float
    says: str


@record
class Bars:
    """Something counted by day, the last of them today."""

    bars: tuple[Bar, ...]
    most: int
    total: int

    @property
    def width(self) -> int:
        """Of the view box."""
        return len(self.bars) * (BAR + GAP)


@record
class Line:
    """How a count grew: the points of an SVG polyline, and how long it took."""

    points: str
    most: int
    begins: datetime
    ends: datetime


def by_day(moments: Iterable[datetime], *, days: int, now: datetime, zone: tzinfo) -> Bars:
    """How many of these moments fell on each of the last `days` days of `zone`."""
    today = now.astimezone(zone).date()
    counted = Counter(moment.astimezone(zone).date() for moment in moments)
    dates = [today - timedelta(days=back) for back in reversed(range(days))]
    most = max([counted[date] for date in dates], default=0)
    bars = tuple(
        _bar(number, counted[date], most, f"{date:%d %b}: {counted[date]}") for number, date in enumerate(dates)
    )
    return Bars(bars=bars, most=most, total=sum(counted[date] for date in dates))


def growth(pickups: Sequence[Pickup]) -> Line | None:
    """How a story spread: copies over time; None where there is but one, or all came at once."""
    moments = sorted(pickup.seen_at for pickup in pickups)
    if len(moments) < 2 or moments[0] == moments[-1]:
        return None
    span = (moments[-1] - moments[0]).total_seconds()
    points, before = [], 0.0
    for count, moment in enumerate(moments, 1):
        x = WIDE * (moment - moments[0]).total_seconds() / span
        points += [
            f"{x:.1f},{HIGH - HIGH * before / len(moments):.1f}",
            f"{x:.1f},{HIGH - HIGH * count / len(moments):.1f}",
        ]
        before = count
    return Line(points=" ".join(points), most=len(moments), begins=moments[0], ends=moments[-1])


def _bar(number: int, count: int, most: int, says: str) -> Bar:
    height = max(2.0, HEIGHT * count / most) if count else 0.75  # a day without any is a line, not a hole
    return Bar(x=number * (BAR + GAP), y=round(HEIGHT - height, 2), height=round(height, 2), says=says)
