"""Addresses: cleaned for showing, folded for comparing.

Pure text work: resolves and fetches nothing, so a redirect is followed only where its target stands in the address
itself. Which addresses may be fetched is not decided here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urljoin, urlsplit, urlunsplit

from monitor.core.late import LatePattern

MOST_UNWRAPPED = 3  # redirects inside redirects

# Parameters that never choose the article. Sources: the parameter lists of ClearURLs, Firefox and Brave, and the feeds
# of the outlets named.
_TRACKERS = LatePattern(
    r"(?:utm|pk|mtm|matomo|piwik|hsa|at|ns|oly|vero|trk|fb|action|ga|_hs|__hs)_[\w-]*|utm-\w+"
    r"|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|ysclid|twclid|ttclid|li_fat_id|igsh|igshid|_openstat"
    r"|mc_cid|mc_eid|_hsenc|_hsmi|mkt_tok|dm_i|__s|ck_subscriber_id|_gl|_ga|_branch_match_id|spm|scm|srsltid"
    r"|xtor|ito|wt[_.]?(?:mc|zmc|mc_id|z?mc_ev)|taid|traffic_source|traffictype|cmpid|cmp|ncid|icid|intcmp|int_cmp|s_cid"
    r"|smid|smtyp|emc|ocid|cvid|ftag|mbid|sref|srnd|tpcc|maca|refsec|guccounter|guce_referrer(?:_sig)?|soc_src|soc_trk"
    r"|__twitter_impression|ref_src|ref_url|referrer|feedtype|feedname|sr_share|sharetoken|xcust|sh_kit|nr_email_referer"
    r"|ceid_source|syn-\w{8}|amp_js_v|amp_gsa|usqp|outputtype",
    re.IGNORECASE,
)
# Parameters that may mean anything; they go where the value says that it only tells how the reader came.
_SUSPECTS = re.compile(
    r"ref|source|src|from|via|origin|medium|campaign|channel|partner|mod|cid|c_id|rss|feed|rssfeed|s|_r|share|social"
    r"|output|wprss|amp|isamp|mobile|m",
    re.IGNORECASE,
)
_HOW_THE_READER_CAME = LatePattern(
    r"(?:rss|atom|feed|feeds|feedburner|feedly|xml|twitter|tw|facebook|fb|social|socialflow|sns|newsletter|email|e?mail|nl"
    r"|whatsapp|telegram|linkedin|reddit|pinterest|flipboard|applenews|apple_news|smartnews|googlenews|google_news|push"
    r"|notification|share|sharing|homepage|home|hp|syndication|partner|amp)(?:[-_.: ].*)?",
    re.IGNORECASE,
)
_SWITCHED_ON = re.compile(r"amp|isamp|mobile|m|rss|feed|rssfeed|wprss", re.IGNORECASE)  # … = 1, true, yes or nothing
_OUTLETS_OWN = {"oc": "news.google.com", "c_id": "nzherald.co.nz", "partner": "nytimes.com"}

_MOBILE_HOST = re.compile(r"^(?:amp|mobile|m|touch|wap)\.(?=[^.]+\.[^.])")
_MOBILE_INSIDE = re.compile(r"^([a-z-]{2,12})\.m\.(?=[^.]+\.[^.])")  # en.m.wikipedia.org
_AMP_TAIL = re.compile(r"(?<=[^/])(?:/amp/?|\.amp|/amp\.html)$|(?<=[^/])\.amp(?=\.html?$)", re.IGNORECASE)
_AMP_HEAD = re.compile(r"^(/news)?/amp(?=/.{4})", re.IGNORECASE)
_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?#]*", re.IGNORECASE)
_PAGE_STATE = re.compile(r"^(?:!|/)\S")  # "#!/article/1" and "#/article/1" choose what a page shows
_HOME = re.compile(r"^/?(?:index\.\w{2,5}|home|default\.aspx?|[a-z]{2}(?:-[a-z]{2})?)?/?$", re.IGNORECASE)
_LINE_ENDS = re.compile(r"[\t\r\n]+")  # dropped by browsers (WHATWG URL standard)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PORTS = {"http": 80, "https": 443}
_UNWRAP_PARAMETER = {
    "www.google.com/url": ("url", "q"),
    "google.com/url": ("url", "q"),
    "news.google.com/news/url": ("url",),
    "l.facebook.com/l.php": ("u",),
    "lm.facebook.com/l.php": ("u",),
    "t.umblr.com/redirect": ("z",),
    "out.reddit.com": ("url",),
    "go.redirectingat.com": ("url",),
    "go.skimresources.com": ("url",),
    "click.linksynergy.com/deeplink": ("murl",),
    "www.bing.com/news/apiclick.aspx": ("url",),
    "www.youtube.com/redirect": ("q",),
}
# Of a lowered address: a pattern that ignores case is six times as slow.
_MAY_WRAP = re.compile(
    r"google\.|facebook\.com/l\.php|t\.umblr|out\.reddit|redirectingat|skimresources|linksynergy|bing\.com/news"
    r"|youtube\.com/redirect|ampproject|feedburner|rd\.yahoo|search\.yahoo|scour\.ing|feedsportal|go\.theregister"
    r"|anonym\.to"
)
_GOOGLE_NEWS = re.compile(r"https?://news\.google\.[a-z.]+/(?:articles|rss|read|stories|__i)")
# An address with nothing to clean: a plain host and path, no query, no fragment, no escapes.
_CLEAN = re.compile(
    r"https?://(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(/[A-Za-z0-9/_.~-]*[A-Za-z0-9_~-])/?"
    r"(?:\?utm_[a-z]+=[^&#%]*(?:&utm_[a-z]+=[^&#%]*)*)?"  # the commonest trackers
)
_MAY_BE_MOBILE = re.compile(r"^(?:amp|mobile|m|touch|wap)\.|\.m\.|amp\b")
_MAY_BE_AMP = re.compile(r"amp\b")  # of a lowered path
_INNER = re.compile(r"(?:/|\*|/RU=)(https?(?::|%3A)(?:/|%2F){1,2}.+)$", re.IGNORECASE)
_REDIRECTORS = re.compile(
    r"(?:^|\.)(?:feedproxy\.google\.com|feeds\.feedburner\.com|rd\.yahoo\.com|r?\.?search\.yahoo\.com|scour\.ing"
    r"|rss\.feedsportal\.com|go\.theregister\.com|anonym\.to)$"
)
_AMP_CACHE = re.compile(r"^/(?:[a-z]/)?(?:s/)?(?P<rest>[^/]+\.[^/]+/.*)$")


def canonical_url(url: str) -> str:
    """An address as people should see it: where the article is, without what only tells how the reader came.

    Scheme and host are folded, default ports, credentials, tracking parameters and meaningless fragments dropped, AMP
    and mobile hosts folded into the plain ones, redirects unwrapped where they name their target. Applied twice it
    changes nothing. What is no web address comes back as it is, trimmed. Never raises.
    """
    seen = url = _trimmed(url)
    for _ in range(MOST_UNWRAPPED + 3):
        url = _canonical_once(_unwrapped(url))
        if url == seen:
            break
        seen = url
    return url


@lru_cache(maxsize=1024)
def url_identity(url: str) -> str | None:
    """What two addresses of one article have in common: host without "www." and path and sorted parameters; None
    where an address cannot tell articles apart (a home page, a Google News link, no web address)."""
    if _GOOGLE_NEWS.match(url):
        return None
    clean = _CLEAN.fullmatch(url)
    if clean and _is_plain(clean[1]) and not _MAY_BE_AMP.search(clean[2].lower()) and "//" not in clean[2]:
        return None if _HOME.match(clean[2]) else clean[1] + clean[2]
    parts = _split(canonical_url(url))
    if parts is None:
        return None
    host = parts.netloc.removeprefix("www.")
    if not parts.query and not parts.fragment and _HOME.match(parts.path):
        return None
    if host.startswith("news.google.") and parts.path.startswith(("/articles", "/rss", "/read", "/stories", "/__i")):
        return None
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    path = parts.path.rstrip("/")
    return f"{host}{path}{'?' + query if query else ''}{'#' + parts.fragment if parts.fragment else ''}"


@lru_cache(maxsize=1024)  # the same few hosts stand in a feed's addresses
def _is_plain(host: str) -> bool:
    """Whether nothing about a host hides another address or host."""
    return not _MAY_WRAP.search(host) and not _MAY_BE_MOBILE.search(host)


def host_of(url: str) -> str:
    """The host of an address, folded, without port; "" where there is none. Never raises."""
    parts = _split(url.strip())
    return _host(parts) if parts else ""


@lru_cache(maxsize=1 << 14)  # asked of a feed's address at each of its checks
def port_of(url: str) -> int | None:
    """The port that an address names; None where it names none. Never raises."""
    parts = _split(url.strip())
    return parts.port if parts else None


def is_web_address(text: str) -> bool:
    """Whether this is an absolute http or https address."""
    return text[:8].lower().startswith(("http://", "https://"))


def without_feed_scheme(address: str) -> str:
    """What "feed:https://…" and "feed://…" mean, as browsers with readers understood them; all else as it is."""
    if address[:5].lower() != "feed:":
        return address
    return f"http:{address[5:]}" if address[5:7] == "//" else address[5:] if is_web_address(address[5:]) else address


def resolved(address: str, *, base: str) -> str:
    """An address made absolute against `base`, line ends inside it and double escapes undone; as it is where that
    cannot be done."""
    address = address.strip()
    if not address.isprintable():
        address = _LINE_ENDS.sub("", address)
    address = address.replace("&amp;", "&")
    if is_web_address(address):
        return address
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def _split(url: str) -> SplitResult | None:
    """The parts of a web address, or None where it is none."""
    if not is_web_address(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts if parts.hostname else None


def _canonical_once(url: str) -> str:
    parts = _split(url)
    if parts is None:
        return url
    host = _folded_host(_host(parts))
    if not host:
        return url
    scheme = parts.scheme.lower()
    port = f":{parts.port}" if parts.port not in (None, _PORTS[scheme]) else ""
    path = _quoted(_plain_path(parts.path) or "/")
    fragment = parts.fragment if _PAGE_STATE.match(parts.fragment) else ""
    return urlunsplit((scheme, host + port, path, _clean_query(parts.query, host), _quoted(fragment)))


def _plain_path(path: str) -> str:
    """A path without a session's id and what asks for the AMP version."""
    if ";" in path:
        path = _SESSION.sub("", path)
    if "amp" in path.lower():
        path = _AMP_HEAD.sub(r"\1", _AMP_TAIL.sub("", path))
    return path


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return host
    return f"[{host}]" if ":" in host else host


def _folded_host(host: str) -> str:
    if _MOBILE_HOST.match(host) and not host.replace(".", "").isdigit():
        bare = _MOBILE_HOST.sub("", host)
        return bare if bare.startswith("www.") else f"www.{bare}"
    return _MOBILE_INSIDE.sub(r"\1.", host)


def _quoted(text: str) -> str:
    """Percent-encoded where an address needs it, and nowhere else."""
    try:
        return quote(_unquoted_plain(text), safe="/%:@!$&'()*+,;=~-._?")
    except UnicodeError:
        return text


def _unquoted_plain(text: str) -> str:
    """Letters, digits and -._~ are themselves (RFC 3986, section 6.2.2.2); other escapes in capitals."""
    if "%" not in text:
        return text
    return re.sub("%([0-9a-fA-F]{2})|%", _decoded_plain, text)


def _decoded_plain(match: re.Match[str]) -> str:
    if not match[1]:
        return "%25"
    char = chr(int(match[1], 16))
    return char if char.isascii() and (char.isalnum() or char in "-._~") else f"%{match[1].upper()}"


def _clean_query(query: str, host: str) -> str:
    kept = [pair for pair in query.split("&") if pair and not _is_tracker(pair, host)]
    return "&".join(map(_quoted, kept))


def _is_tracker(pair: str, host: str) -> bool:
    name, _, value = pair.partition("=")
    name, value = unquote(name).lower(), unquote(value)
    if name.startswith("amp;"):  # an ampersand that was escaped twice
        name = name.removeprefix("amp;")
    if _TRACKERS.fullmatch(name) or host.endswith(_OUTLETS_OWN.get(name, "\n")):
        return True
    if not _SUSPECTS.fullmatch(name):
        return False
    if _SWITCHED_ON.fullmatch(name) and value.lower() in ("", "1", "true", "yes"):
        return True
    return _HOW_THE_READER_CAME.fullmatch(value) is not None


def _unwrapped(url: str) -> str:
    """The address inside a redirect's own; the address itself where it is no redirect that names its target."""
    if not _MAY_WRAP.search(url.lower()):
        return url
    parts = _split(url)
    if parts is None:
        return url
    host = _host(parts)
    place = host + parts.path.rstrip("/")
    if place in _UNWRAP_PARAMETER:
        fields = dict(parse_qsl(parts.query, max_num_fields=None))
        return _web(*(fields.get(name, "") for name in _UNWRAP_PARAMETER[place])) or url
    if f".{host}".endswith(".cdn.ampproject.org") or place.startswith(("www.google.com/amp/", "google.com/amp/")):
        match = _AMP_CACHE.match(parts.path.removeprefix("/amp") if "google" in host else parts.path)
        return f"https://{match['rest']}{'?' + parts.query if parts.query else ''}" if match else url
    if _REDIRECTORS.search(host) and (match := _INNER.search(parts.path)):
        inner = match[1].partition("/RK=")[0]
        return _web(unquote(inner) if "%" in inner[:10] else inner) or url
    return url


def _web(*candidates: str) -> str | None:
    return next((candidate for candidate in map(_trimmed, candidates) if _split(candidate)), None)


def _trimmed(url: str) -> str:
    """Without white space around it and control characters inside."""
    return (url if url.isprintable() else _CONTROLS.sub("", url)).strip()
