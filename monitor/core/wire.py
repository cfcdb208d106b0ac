"""Wire craft: slugs before a headline, outlet names behind it, and whose copy it is.

Reads text only; what a correction or a kill means for alerts is decided elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache

from monitor.core.late import LatePattern
from monitor.core.plain import without_joiners
from monitor.core.vocabulary import RUBRIC
from monitor.model import Notice, record

# What desks put before a headline in French, Spanish, Portuguese, Italian, Dutch, Polish, Russian, Ukrainian, Turkish,
# Arabic, Japanese, Chinese and Korean. Words that stories begin with themselves ("Annulation") are left out.
CORRECTED_ELSEWHERE = (
    "correctif rectificatif corrección correccion rectificación rectificacion correção retificação rettifica correzione"
    " correctie rectificatie sprostowanie исправление уточнение виправлення уточнення düzeltme تصحيح 訂正 更正 정정"
).split()
URGENT_ELSEWHERE = (
    "alerte|alerta|urgente|última hora|ultima hora|ultim'ora|ultim’ora|ultimora|срочно|молния|терміново|pilne"
    "|son dakika|ampliación|ampliacion|عاجل|速報|号外|快讯|快訊|突发|突發|속보|긴급|단독"
).split("|")
# Desk conventions of Reuters, AP, AFP, dpa, Yonhap and Kyodo. A hyphen must touch the slug, or a colon follow it, or
# brackets enclose it: "Kill Bill" and "Update your phone" are headlines.
_ELSEWHERE = "|".join(
    sorted({form for word in (*CORRECTED_ELSEWHERE, *URGENT_ELSEWHERE) for form in (word.upper(), word.capitalize())})
)
_ORDINAL = r"(?:\d(?:st|nd|rd|th)\s+)?"
SLUG = LatePattern(
    r"^\s*(?:"
    r"(?P<numbered>(?:UPDATE|WRAPUP|REFILE|RPT|REPEAT|CORRECTED|CORRECTS|INSTANT VIEW|GRAPHIC|REUPDATE|ADVISORY)"
    r"(?:\s+\d{1,2})?(?:\s*\([A-Z ]+\))?)\s*[-–—:]+\s*"
    r"|(?P<plain>BRIEF|EXCLUSIVE|FEATURE|FOCUS|ANALYSIS|EXPLAINER|FACTBOX|TIMELINE|POLL|TABLE|DIARY|PREVIEW|INSIGHT"
    r"|SPECIAL REPORT|NEWSMAKER|BREAKINGVIEWS|COLUMN|TAKE A LOOK|KILL|MANDATORY KILL|WITHDRAWAL|WITHDRAWN|RETRACTION"
    r"|CORRECTION|CLARIFICATION|STORY WITHDRAWN|STORY REMOVED|URGENT|ALERT|FLASH|BULLETIN|BREAKING(?:\s+NEWS)?|JUST IN"
    r"|WATCH|AP SOURCE|AP EXCLUSIVE|AP EXPLAINS|EIL|KORREKTUR|BERICHTIGUNG|ZUSAMMENFASSUNG)\s*[-–—:]+\s*"
    r"|(?P<spoken>Exclusive|Analysis|Explainer|Focus|Factbox|Correction|Corrected|Clarification|Retraction"
    r"|Breaking(?:\s+News)?|Just in|Watch|AP Source|AP Exclusive|Korrektur|Berichtigung|Eilmeldung"
    r"|Update(?:\s+\d{1,2})?)(?::\s*(?=\S)|-(?=[A-Z]))"
    rf"|\((?P<bracketed>{_ORDINAL}(?:LEAD|LD|URGENT|UPDATE|CORRECTED|KORREKTUR|Korrektur|Zusammenfassung"
    r"|EXCLUSIVE|News Focus|Yonhap Feature)(?:\s+\d{1,2})?)\)\s*"
    r"|(?P<desk>(?:ROUNDUP|KORREKTUR|BERICHTIGUNG|WDH)(?:\s+\d{1,2})?)\s*[:/]+\s*"
    rf"|(?P<elsewhere>{_ELSEWHERE})\s*(?:[:：|!]+|\s[-–—]+(?=\s))\s*"
    rf"|[\[【(（]\s*(?P<boxed>{_ELSEWHERE}|CORRECTION|URGENT|BREAKING|UPDATE)\s*[\]】)）]\s*[-–—:：|]*\s*"
    r"|#(?P<tagged>BREAKING|URGENT|UPDATE|JUSTIN)\b\s*[-–—:|]*\s*"
    r")(?=\S)"
)
SLUG_GROUPS = ("numbered", "plain", "spoken", "bracketed", "desk", "elsewhere", "boxed", "tagged")
SLUG_SIGN = re.compile(r"[-–—:：|!/\])】）#]")  # one of them ends, or begins, every slug
SLUG_REACH = 60  # characters in which that stands
SUFFIX = re.compile(r"\s+(?:[-–—|:]|::|»)\s+(?P<name>[^-–—|:»]{2,60})\s*$")
SUFFIX_TIMES = 3  # in one document make what stands behind headlines an outlet's name
DOMAIN = re.compile(r"^(?:[\w-]+\.)+[a-z]{2,13}$", re.IGNORECASE)
WELL_KNOWN = frozenset(
    "reuters|ap|ap news|the associated press|associated press|afp|bloomberg|bloomberg news|bbc|bbc news|cnn"
    "|npr|abc news|cbs news|nbc news|sky news|the guardian|the new york times|the washington post|the times"
    "|the independent|financial times|al jazeera|france 24|dw|yahoo news|msn|google news|the straits times"
    "|channel newsasia|cna".split("|")
)
# Words that names of outlets hold, and names of places and people do not.
OUTLET_WORDS = frozenset(
    "news post times daily herald tribune tv press journal today radio online magazine media network gazette observer"
    " chronicle mail telegraph express guardian standard review weekly report reports reporter wire agency channel"
    " broadcasting broadcast digital insider bulletin dispatch examiner inquirer globe sentinel argus echo advertiser"
    " zeitung presse rundschau anzeiger tageblatt tagblatt nachrichten kurier spiegel"
    " diario periodico noticias jornal folha gazeta новости газета правда известия ведомости".split()
)
# Names may be written in any case; initials only as they are, since "pa" and "ap" are words elsewhere.
AGENCIES = {
    "AP": r"(?i:associated press)|\bAP\b",
    "Reuters": r"(?i:reuters)",
    "AFP": r"(?i:agence france-presse)|\bAFP\b",
    "dpa": r"(?i:deutsche presse-agentur)|\bdpa\b",
    "PA": r"(?i:press association|\bPA media\b)",
    "Xinhua": r"(?i:xinhua)|新华社",
    "TASS": r"\bTASS\b|\bТАСС\b",
    "Yonhap": r"(?i:yonhap)|연합뉴스",
    "Kyodo": r"(?i:kyodo)|共同通信",
    "ANSA": r"\bANSA\b",
    "EFE": r"\bEFE\b",
    "PTI": r"(?i:press trust of india)|\bPTI\b",
    "ANI": r"\bANI\b",
    "Bloomberg": r"(?i:bloomberg)",
    "Interfax": r"(?i:interfax|интерфакс)",
}
_AGENCY = {name: LatePattern(pattern) for name, pattern in AGENCIES.items()}
_ANY_AGENCY = LatePattern("|".join(AGENCIES.values()))
# Where a credit stands: in brackets or before a dash in the first line, or in a copyright line.
DATELINE_CREDIT = re.compile(r"^[^\n]{0,80}?\(([^)\n]{2,30})\)\s*(?:[-–—]|--|$)|^\(([^)\n]{2,30})\)")
COPYRIGHT_CREDIT = re.compile(r"(?:copyright|©|\(c\))[^\n]{0,30}?((?:the )?[A-Z][\w .-]{1,40})", re.IGNORECASE)

NOTICES = {
    "CORRECTED": Notice.CORRECTION,
    "CORRECTS": Notice.CORRECTION,
    "CORRECTION": Notice.CORRECTION,
    "KORREKTUR": Notice.CORRECTION,
    "BERICHTIGUNG": Notice.CORRECTION,
    "KILL": Notice.KILL,
    "MANDATORY KILL": Notice.KILL,
    "RETRACTION": Notice.WITHDRAWAL,
    "WITHDRAWAL": Notice.WITHDRAWAL,
    "WITHDRAWN": Notice.WITHDRAWAL,
    "STORY WITHDRAWN": Notice.WITHDRAWAL,
    "STORY REMOVED": Notice.WITHDRAWAL,
    **{word.upper(): Notice.CORRECTION for word in CORRECTED_ELSEWHERE},
}


@record
class Headline:
    """A title taken apart."""

    text: str  # without slug and outlet suffix
    slug: str | None = None  # as desks write it: "UPDATE 2", "CORRECTED"
    suffix: str | None = None  # the outlet behind it


def read_headline(title: str, outlet: str = "", *, suffixes: Collection[str] = (), named: str = "") -> Headline:
    """Take a title apart. An outlet suffix is cut only when it is known: it is the outlet itself or the one `named`
    beside the title, a domain, a well-known name, or one of `suffixes` (see `suffixes_of`); never what merely stands
    behind a dash."""
    text, slugs = title.strip(), []
    while SLUG_SIGN.search(text, 0, SLUG_REACH) and (match := SLUG.match(text)):
        found = next(filter(None, match.group(*SLUG_GROUPS)))
        slugs.append(" ".join(found.upper().split()))
        text = text[match.end() :]
    suffix = None
    match = SUFFIX.search(text)
    if match and match.start() >= 8 and _is_known(match["name"], outlet, suffixes, named):
        text, suffix = text[: match.start()].rstrip(), match["name"].strip()
    telling = next((slug for slug in slugs if notice_of(slug)), None)  # of two, that which an alert must act on
    return Headline(text=text or title, slug=telling or next(iter(slugs), None), suffix=suffix)


def with_slug(title: str, headline: str) -> str:
    """A title without the outlet behind it, but with what its desk put before: that is searched ("Analysis: …")."""
    begin = title.find(headline)
    return title[: begin + len(headline)] if headline and begin >= 0 else headline or title


def suffixes_of(titles: Iterable[str]) -> frozenset[str]:
    """Outlets that a document names behind its headlines, folded: what stands there three times, begins with a capital
    and is neither a column ("Opinion") nor a live page. Places stand there, too, and a story is not to be missed for
    its place: so it has to be behind most headlines, or to hold a word of outlets' names."""
    titles = list(titles)
    seen = [match["name"].strip() for match in map(SUFFIX.search, titles) if match]
    names = [_folded(name) for name in seen if name[:1].isupper() and not _is_column(name)]
    return frozenset(
        name
        for name, times in Counter(names).items()
        if times >= SUFFIX_TIMES and (2 * times > len(titles) or not OUTLET_WORDS.isdisjoint(name.split()))
    )


def notice_of(slug: str | None) -> Notice | None:
    """What a slug says of the story that was sent before, or None: "CORRECTED (OFFICIAL)" corrects it."""
    if slug is None:
        return None
    return next((notice for word, notice in NOTICES.items() if re.match(rf"{word}\b", slug)), None)


def credit_of(title_suffix: str | None, author: str, text: str) -> str | None:
    """The wire agency that wrote a text, or None where none is named.

    Looks at the byline, the dateline ("WASHINGTON (AP) —"), a suffix of the title and a copyright line; a mere
    mention ("told Reuters") is no credit.
    """
    dateline = DATELINE_CREDIT.match(text)
    end = text[-400:]
    folded = end.lower()
    signed = "copyr" in folded or "(c)" in folded or "©" in folded  # no more of it: to the pattern "ı" is an "i", too
    copyright_line = COPYRIGHT_CREDIT.search(end) if signed else None
    places = (
        author,
        (dateline[1] or dateline[2]) if dateline else "",
        title_suffix or "",
        copyright_line[1] if copyright_line else "",
    )
    return next(filter(None, map(_agency_in, filter(None, places))), None)


@lru_cache(maxsize=1024)  # the same few people write for a feed
def _agency_in(place: str) -> str | None:
    if _ANY_AGENCY.search(place) is None:
        return None
    return next(agency for agency, pattern in _AGENCY.items() if pattern.search(place))


def is_same_name(name: str | None, other: str) -> bool:
    """Whether two outlets' names are one, and there is one."""
    return bool(name) and _folded(name) == _folded(other)


def _is_known(name: str, outlet: str, suffixes: Collection[str], named: str) -> bool:
    return _is_outlet(name, outlet) or _folded(name) in suffixes or is_same_name(name, named)


def _is_outlet(name: str, outlet: str) -> bool:
    """Whether a name is the outlet's own, more or less of it, or any that is surely one's. One word of a longer name is
    not: "… – Kyiv" in the Kyiv Post."""
    folded, own = _folded(name), _folded(outlet)
    shorter, longer = sorted((folded.split(), own.split()), key=len)
    same = folded == own or (len(shorter) > 1 and longer[: len(shorter)] == shorter)
    return same or folded in WELL_KNOWN or bool(DOMAIN.match(folded))


def _is_column(name: str) -> bool:
    words = name.casefold().split()
    return "live" in words or any(word in RUBRIC for word in words)


def _folded(name: str) -> str:
    return " ".join(without_joiners(name).casefold().split())
