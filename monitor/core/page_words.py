"""The words that surround articles on web pages: headings of what is not the article, buttons, notices.

Only vocabulary; core/page_dump.py knows what follows from it. Every pattern is for a whole short paragraph, case
folded, without the punctuation at its end.
"""

from __future__ import annotations

import re

from monitor.core.late import LatePattern

LONGEST_FURNITURE = 250  # characters; what is longer is somebody's text

_NETWORK = (
    r"(?:facebook|twitter|x|whatsapp|telegram|linkedin|reddit|pinterest|instagram|flipboard"
    r"|e-?mail|print|copy(?: link)?)"
)

# Headings over other articles. The article may go on after them when they stand near its beginning.
_RELATED = (
    r"related(?: (?:posts?|articles?|stor(?:y|ies)|news|content|topics?|links?|reads?|coverage))?",
    r"more (?:on this(?: story| topic)?|stories|news|like this|to read)",
    r"more (?:from|in|about|on) .{2,40}",
    r"you (?:may|might) (?:also )?(?:like|enjoy|be interested in)(?: this| these)?",
    r"(?:read|up|what to read) next",
    r"recommended(?: (?:for you|stories|articles|reading|by .{2,30}))?",
    r"(?:most|top) (?:read|popular|viewed|shared|stories)",
    r"trending(?: (?:now|stories|topics))?",
    r"(?:popular|latest|recent|other) (?:posts?|stories|news|headlines|articles)",
    r"(?:editor'?s|our) picks?|don'?t miss|in case you missed it",
    r"(?:from )?(?:around|across) the web|(?:sponsored|promoted)(?: (?:content|links|stories))?",
    r"mehr zum thema|das könnte sie auch interessieren|(?:weitere|ähnliche) artikel",
    r"sur le même sujet|à lire aussi|articles? (?:liés|similaires|connexes)",
    r"art[ií]culos? relacionados?|noticias relacionadas|te puede interesar",
    r"leia (?:também|mais)|artigos relacionados|leggi anche|articoli correlati|lees ook",
    r"читайте также|по теме|материалы по теме|ещё по теме|похожие (?:статьи|новости)",
)

# After these the article is over, whatever follows.
_END = (
    r"(?:one|\d[\d,.]*) thoughts? on\b.*|(?:one|\d[\d,.]*) (?:comments?|repl(?:y|ies)|responses?) (?:on|to) [\"“«„].*",
    r"(?:(?:\d[\d,.]*|no|view|show|see|all|join the) )*(?:comments?|repl(?:y|ies)|responses?)(?: \(\d+\))?",
    r"comments? (?:section|policy|are closed.*|below)",
    r"(?:leave|write|post|submit|add|cancel) (?:a |an |your )?(?:reply|comment|response)\b.*",
    r"your e-?mail address will not be published.*|required fields are marked.*|save my name,? e-?mail.*",
    r"(?:post|article) navigation",
    r"(?:previous|next|older|newer) (?:posts?|articles?|stor(?:y|ies)|entr(?:y|ies))(?:\s*[:»«→←|].{0,150})?",
    r"about (?:the )?(?:authors?|writers?)\b.{0,60}|(?:the )?authors?(?: bio(?:graphy)?| profile)?|written by",
    r"about us|contact us|(?:privacy|cookie) policy.{0,40}|terms (?:of|and) (?:use|service|conditions).{0,40}",
    r"(?:copyright\s*(?:©|\(c\)|\d{4}|by\b)|©|\(c\) ).{0,200}|.{0,80}\ball rights reserved\b.{0,100}",
    r"(?:filed under|posted in)\b.{0,150}|(?:tags?|topics?|categor(?:y|ies)|keywords?)\s*:.{0,200}|tags|topics",
    r"like this|report (?:a typo|an error|a correction).*|.{0,40}powered by wordpress.*",
    r"\d* ?kommentare?|kommentar (?:schreiben|verfassen).*|über (?:den|die) autor(?:in)?|alle rechte vorbehalten.*",
    r"\d* ?commentaires?|laisser un commentaire.*|tous droits réservés.*|à propos de l.auteur.*",
    r"\d* ?comentarios?|dej(?:a|e) (?:un comentario|una respuesta).*|deixe (?:um comentário|uma resposta).*",
    r"todos los derechos reservados.*|\d* ?commenti|lascia un commento.*",
    r"комментарии(?: \(?\d+\)?)?|оставить комментарий.*",
)

# These stand between paragraphs and say nothing of the story.
_SKIP = (
    r"advertise?ments?|ad|sponsored|(?:article|story) continues below.*|scroll (?:down )?to continue.*|loading",
    r"continue reading.*|(?:read|see|learn|find out) more|show more|expand|close|menu|search|skip to .{2,30}",
    r"(?:read|see|watch|must read|don'?t miss|related|recommended)(?: (?:more|also|now|next|here))?\s*[:|»>].{0,200}",
    r"(?:also read|read also|see also|must read)\b.{0,200}|text size\b.{0,20}|disclaimer\s*:.{0,230}",
    r"(?:show|view|see|read|expand to read) (?:the )?(?:full|whole|rest of the) (?:article|story|text)",
    r"share(?: (?:this|on|via|with|it|article|story|now)\b.{0,60})?|save|listen|print|tweet|pin|like|follow|bookmark",
    rf"(?:share )?(?:on )?{_NETWORK}(?:[\s|,/·•]+(?:(?:share )?(?:on )?{_NETWORK}|share|tweet))*",
    r"listen to this (?:article|story).{0,60}|watch(?: (?:now|live|the video))?|play(?: video)?",
    r"(?:subscribe|sign up|log ?in|sign in)(?: (?:now|today|here|free|to|for|with)\b.{0,180})?|register|join",
    r".{0,120}\b(?:our newsletters?|newsletters? sign.?up|(?:to|in) your inbox|push notifications?)\b.{0,120}",
    r"follow (?:us|him|her|them|our|@\w+)\b.{0,120}|(?:like|find) us on .{0,60}|click here\b.{0,120}",
    r"download (?:the|our) .{0,80}app\b.{0,60}",
    r"\(?(?:photos?|images?|pictures?|pic|credit|file photo|video|caption|foto|bild|crédit)"
    r"(?: (?:credit|source|by|courtesy))?\s*[:|/].{0,200}",
    r"(?:file )?(?:photo|image|picture)s? (?:by|courtesy|credit) .{2,80}",
    r"(?:getty images|afp|ap photo|shutterstock)(?:/.{0,40})?\)?",
    r"\d+\s*min(?:ute)?s?(?: read)?|(?:\d[\d,.km]* )?(?:shares?|views?|likes?)(?: \d+)?|[\W\d_]{1,12}",
    r"(?:lire aussi|lesen sie auch|lea también|leia também|leggi anche|читайте также)\s*:.{0,200}",
    r"we use cookies\b.{0,200}|accept(?: all)?(?: cookies)?|this (?:site|website) uses\b.{0,200}",
)

# Words of menus: a short paragraph of nothing else is one.
_MENU_WORDS = (
    "home news sport sports weather world uk us usa europe asia africa americas business economy money markets "
    "politics opinion comment culture arts travel tech technology health science entertainment lifestyle life style tv "
    "radio video videos photos podcasts live latest more menu search login register subscribe account about contact "
    "newsletters shop jobs local national international magazine education climate environment food fashion games "
    "puzzles and"
)
_MENU = frozenset(_MENU_WORDS.split())


def _whole(patterns: tuple[str, ...]) -> LatePattern:
    return LatePattern(rf"\W*(?:{'|'.join(patterns)})\W*", re.IGNORECASE | re.DOTALL)


_RELATED_HEADING, _END_MARK, _SKIPPED = _whole(_RELATED), _whole(_END), _whole(_SKIP)


def is_related_heading(paragraph: str) -> bool:
    """Whether this heads a list of other articles."""
    return len(paragraph) <= LONGEST_FURNITURE and _RELATED_HEADING.fullmatch(paragraph) is not None


def is_end(paragraph: str) -> bool:
    """Whether the article is over here: comments, forms, the author's portrait, notices of rights."""
    return len(paragraph) <= LONGEST_FURNITURE and _END_MARK.fullmatch(paragraph) is not None


def is_furniture(paragraph: str) -> bool:
    """Whether this is a button, an advertisement, a caption or an invitation, wherever it stands."""
    return len(paragraph) <= LONGEST_FURNITURE and (_SKIPPED.fullmatch(paragraph) is not None or _is_menu(paragraph))


def _is_menu(paragraph: str) -> bool:
    words = re.findall(r"[^\W\d_]+", paragraph.casefold())
    return len(words) > 1 and all(word in _MENU for word in words)
