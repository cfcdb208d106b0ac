"""Dates as feeds and pages write them → aware UTC.

Reads RFC 822 and ISO 8601 with the liberties that publishers take: month names in many languages, named zones,
two-digit years, `2020/1/10`, `16.05.2024`, seconds since 1970. Says None rather than guess: a slashed date that could
be either way round is no date. Does not ask whether a date is plausible; core/normalise.py does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

LONGEST = 100  # characters; what is longer is not a date
WIDEST_OFFSET = 15 * 60  # minutes; real zones lie between -12:00 and +14:00
CENTURY_PIVOT = 69  # two-digit years as POSIX strptime reads them: 69–99 are 19xx

LONGEST_INTERVAL = timedelta(days=365)
_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}  # RSS 1.0 syndication module

# How a month may begin, in English, German, French, Spanish, Italian, Portuguese, Dutch, the Nordic languages, Polish,
# Czech, Hungarian, Romanian, Greek, Turkish, Indonesian, Russian and Ukrainian. Source: Unicode CLDR month names.
_MONTHS = (
    "jan gen ene ian sty led tammi oca ιαν янв січ",
    "feb fev unor sub luty helmi φεβ фев лют",
    "mar mrt maer brez maalis μαρ мар бер",
    "apr avr abr kwi dub huhti nis απρ апр квіт",
    "may mai maj mei mag maio kve touko μαι май мая трав",
    "jun juin giu iun cerven cze kesa haz ιουν июн черв",
    "jul juil lug iul cervenec lip heina tem ιουλ июл лип",
    "aug aou aout ago srp sie elo agu αυγ авг серп",
    "sep set zar wrz syys eyl σεπ сен вер",
    "oct okt ott out rij paz loka eki οκτ окт жовт",
    "nov nob listopad lis marras kas νοε ноя лист",
    "dec dez dic des gru pros joulu ara δεκ дек груд",
)
# Offsets in minutes. Sources: RFC 822 (North America), IANA tz abbreviations; IST is India's, who publish the most.
_ZONES = {
    **dict.fromkeys(("z", "gmt", "utc", "ut", "wet"), 0),
    **{"est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420},
    **{"ast": -240, "adt": -180, "nst": -210, "ndt": -150, "akst": -540, "akdt": -480, "hst": -600, "brt": -180},
    **{"art": -180, "clt": -240, "clst": -180, "cot": -300, "pet": -300, "bst": 60, "west": 60, "cet": 60, "mez": 60},
    **{"cest": 120, "mesz": 120, "eet": 120, "sast": 120, "cat": 120, "eest": 180, "msk": 180, "eat": 180, "trt": 180},
    **{"msd": 240, "gst": 240, "pkt": 300, "ist": 330, "npt": 345, "ict": 420, "wib": 420, "wita": 480, "sgt": 480},
    **{"hkt": 480, "pht": 480, "myt": 480, "awst": 480, "wit": 540, "jst": 540, "kst": 540, "acst": 570, "acdt": 630},
    **{"aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780},
}

_NAME = r"(?P<month>[^\W\d_]{3,12})"
_ZONE = r"\s*(?:(?:GMT|UTC?)?\s*(?P<sign>[+\-−])(?P<oh>\d{1,2}):?(?P<om>\d{2})?(?!\d)|(?P<zone>[A-Za-z]{1,5})\b)?"
_HALF = r"\s*(?P<half>[AaPp]\.?\s?[Mm]\b\.?|[πμ]\.?μ\.?|[Öö][ÖöSs]\b)?"
_RFC822 = re.compile(
    r"\s*(?:\w{2,12}\.?,?\s+)?(?P<day>\d{1,2})[ \-]" + _NAME + r"[ \-](?P<year>\d{4}|\d{2})\s+"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?" + _HALF + _ZONE + r"\s*(?:\([^)]*\))?\s*$"
)
_CLOCK = re.compile(
    r"(?<![\d:+\-−])(?P<before>[上下]午|午[前後]|오[전후]|凌晨|早上|晚上|새벽|저녁|밤)?\s*(?P<hour>\d{1,2})"
    r"(?:(?::|[時点點]|시\s*|\s?h\s?)(?P<minute>\d{1,2})(?:[:分](?P<second>\d{2})(?:[.,]\d+)?)?[分분]?"
    r"|[時点點시]|\s?h\b|(?=\s?[ap]\.?m\b))" + _HALF + _ZONE,
    re.IGNORECASE,
)
# Of a day that is known without it: "16. Mai 2024 10.30 Uhr".
_DOTTED_CLOCK = re.compile(
    r"(?<=\s)(?P<hour>\d{1,2})\.(?P<minute>\d{2})(?:\.(?P<second>\d{2}))?(?:\s*Uhr)?\s*$", re.IGNORECASE
)
_COMPACT = re.compile(r"\s*((?:19|20)\d{6})(\d{4}(?:\d{2})?)\s*(Z|[+\-]\d{2}:?\d{2})?\s*", re.ASCII)
# Whether half a day is the later one; what may be either ("晚上12:30") is not known.
_HALVES = {
    **dict.fromkeys(("am", "πμ", "öö", "上午", "午前", "오전", "凌晨", "早上", "새벽"), False),
    **dict.fromkeys(("pm", "μμ", "ös", "下午", "午後", "오후"), True),
}
_HOUR = re.compile(r"[01]?\d|2[0-4]", re.ASCII)
_JOIN = r"[\s.,/\-]*(?:de[l]?\s+|of\s+)?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|ª|\.)?"
_YEAR = r"(?P<year>\d{4})(?!\d)"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)" + _YEAR + r"\s*[-/.年년]\s*(?P<number>\d{1,2})\s*[-/.月월]\s*(?P<day>\d{1,2})(?!\d)",
        r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<number>\d\d)(?P<day>\d\d)(?=T?$|T)",
        r"(?<!\d)(?P<day>\d{1,2})\.\s?(?P<number>\d{1,2})\.\s?" + _YEAR,
        r"(?<!\d)(?P<either>\d{1,2})[/\-](?P<other>\d{1,2})[/\-]" + _YEAR,
        r"(?<!\d)" + _DAY + _JOIN + _NAME + _JOIN + r"(?P<year>\d{4}|\d{2})(?!\d)",
        _NAME + r"\.?\s*" + _DAY + r",?\s*" + _YEAR,
        _NAME + r"\s+" + _DAY + r"\s.*?" + _YEAR,
        r"^\s*" + _YEAR + r"-(?P<number>\d\d)\s*$",
    )
)

Said = dict[str, str | Any]  # the named parts of a date or a clock as a pattern found them


def parse_date(text: str | None) -> datetime | None:
    """The instant that `text` names, in UTC, or None where it names none; a date without a zone is UTC, without a
    clock midnight. Never raises."""
    return _instant_of(text) if text and len(text) <= LONGEST else None


@lru_cache(maxsize=256)  # an entry that nobody changed was updated when it was published
def _instant_of(text: str) -> datetime | None:
    try:
        return _rfc822(text) or _iso(text) or _epoch(text) or _loose(text)
    except (ValueError, OverflowError):  # the thirtieth of February, an instant before year 1
        return None


def find_date(text: str) -> re.Match[str] | None:
    """The first date written in a line of text (a date, not a mere number), or None."""
    found = [match for pattern in _DATES[:7] if (match := pattern.search(text)) and _day_of(match.groupdict())]
    return min(found, key=re.Match.start, default=None)


def asked_interval(ttl: str, period: str, frequency: str) -> timedelta | None:
    """How long a feed asks to be left alone: the longer of RSS's ttl (minutes) and the syndication module's period
    divided by its frequency; None where it asks nothing that can be understood."""
    asked = []
    if minutes := _count(ttl):
        asked.append(timedelta(minutes=minutes))
    if span := _PERIODS.get(period.lower()):
        asked.append(span / (_count(frequency) or 1))
    return min(max(asked), LONGEST_INTERVAL) if asked else None


def skipped_hours(texts: Iterable[str | None]) -> tuple[int, ...]:
    """The hours (UTC) of RSS's skipHours; 24, which RSS 0.91 allows, is midnight. What is no hour is left out."""
    return tuple(sorted({_count(text.strip()) % 24 for text in texts if text and _HOUR.fullmatch(text.strip())}))


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _rfc822(text: str) -> datetime | None:
    match = _RFC822.match(text)
    if match is None:
        return None
    said = match.groupdict()
    return _instant(said, said)


def _iso(text: str) -> datetime | None:
    if compact := _COMPACT.fullmatch(text):
        text = f"{compact[1]}T{compact[2]}{compact[3] or ''}"
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if value.microsecond and text.strip()[13:14] in (".", ","):  # 10.30 is a clock, not three tenths of an hour
        return None
    if len(text.strip()) == 8 and "-" not in text:  # 20240516 and 00000000 alike: the loose reader looks closer
        return None
    return _checked(value) if value.tzinfo else value.replace(tzinfo=UTC)


def _checked(value: datetime) -> datetime | None:
    offset = value.utcoffset() or timedelta()
    return value.astimezone(UTC) if abs(offset) <= timedelta(minutes=WIDEST_OFFSET) else None


def _epoch(text: str) -> datetime | None:
    digits = text.strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) not in (10, 13):
        return None
    return datetime.fromtimestamp(int(digits[:10]), UTC)


def _loose(text: str) -> datetime | None:
    clock = _CLOCK.search(text)
    dotted = None if clock else _DOTTED_CLOCK.search(text)
    return (_dated(text, dotted) if dotted else None) or _dated(text, clock)


def _dated(text: str, clock: re.Match[str] | None) -> datetime | None:
    """The date in what a clock leaves of a text, at that time of day."""
    days = f"{text[: clock.start()]} {text[clock.end() :]}" if clock else text
    days = days.replace("T ", " ")
    for pattern in _DATES:
        if (match := pattern.search(days)) and _day_of(said := match.groupdict()):
            return _instant(said, clock.groupdict() if clock else None)
    return None


def _instant(date: Said, clock: Said | None) -> datetime | None:
    day = _day_of(date)
    if day is None:
        return None
    if clock is None:
        return day
    offset, hour = _offset(clock), _hour(clock)
    minute, second = int(clock["minute"] or 0), int(clock["second"] or 0)
    if offset is None or hour is None or hour > 24 or minute > 59 or second > 60:
        return None
    return day + timedelta(hours=hour, minutes=minute - offset, seconds=min(second, 59))  # a leap second is the last


def _hour(said: Said) -> int | None:
    """The hour, None where it cannot be in its half of the day, or nobody knows which half."""
    hour, half = int(said["hour"]), said.get("before") or said.get("half")
    if not half:
        return hour
    late = _HALVES.get(re.sub(r"[.\s]", "", half).lower())
    if late is None or hour > 12:
        return hour if late else None
    return hour % 12 + 12 * late


def _day_of(said: Said) -> datetime | None:
    year = int(said["year"])
    if len(said["year"]) == 2:
        year += 1900 if year >= CENTURY_PIVOT else 2000
    if said.get("either"):
        month, day = _sides(int(said["either"]), int(said["other"]))
    else:
        month = int(said["number"]) if said.get("number") else _month(said["month"])
        day = int(said.get("day") or 1)
    try:
        return datetime(year, month, day, tzinfo=UTC) if month else None
    except ValueError:
        return None


def _sides(first: int, second: int) -> tuple[int | None, int]:
    """Month and day of a slashed date; no month where both ways round are dates."""
    if first == second or second > 12:
        return first, second
    return (second, first) if first > 12 else (None, 0)


def _offset(said: Said) -> int | None:
    """Minutes east of Greenwich, 0 for zones unknown or unsaid, None for nonsense."""
    if said.get("sign"):
        minutes = int(said["oh"]) * 60 + int(said["om"] or 0)
        if minutes > WIDEST_OFFSET:
            return None
        return minutes if said["sign"] == "+" else -minutes
    return _ZONES.get((said.get("zone") or "").lower(), 0)


@lru_cache(maxsize=512)
def _month(name: str) -> int | None:
    word = _folded(name)
    stem = max((stem for stem in _STEMS if word.startswith(stem)), key=len, default=None)
    return _STEMS[stem] if stem else None


def _folded(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


_STEMS = {_folded(stem): number for number, names in enumerate(_MONTHS, 1) for stem in names.split()}
