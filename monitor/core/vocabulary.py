"""Words that say little, and words that turn a headline into another one: what comparing headlines rests on."""

from __future__ import annotations

import unicodedata

# Words so common in headlines that a pair of them says nothing; own list.
COMMON = frozenset(
    "a after against all amid an and are as at back be by call case day deal for from gets has have he her his"
    " how in into is it its live more new news no not of off on one over out report say says set she than that"
    " the their they this to two up us was we what when who why will with you year years der die das und in von"
    " im den la le les de du des et el los y".split()
)
# Words that name a kind of column, not what it is about; own list.
RUBRIC = frozenset(
    "analysis answers answer articles blog briefing briefs brief bulletin column columns comment comments crossword"
    " daily diary digest editorial editorials evening forecast gallery guide headlines highlights hints horoscope"
    " horoscopes leader leading letter letters lottery morning newsletter newswrap night notes opinion page pages"
    " papers photos picture pictures podcast preview press quiz readers release results review round roundup schedule"
    " snapshot statement sunday summary today tomorrow tonight top update updates video watch weather week weekend"
    " weekly wordle wrap yesterday monday tuesday wednesday thursday friday saturday markets market"
    # German, French, Spanish, Portuguese, Italian, Russian
    " nachrichten uberblick morgen abend presseschau wetter horoskop kommentar meinung matin meteo edito editorial"
    " resume revue presse horoscopo boletin tiempo resumen opinion prensa titulares previsao meteorologia oroscopo"
    " rassegna stampa notizie главное новости дайджест погода гороскоп".split()
)
# In English; other languages' names of countries are names like any other.
COUNTRIES = frozenset(
    "afghanistan algeria argentina armenia australia austria azerbaijan bangladesh belarus belgium bolivia"
    " brazil britain bulgaria cambodia cameroon canada chad chile china colombia congo croatia cuba cyprus"
    " denmark ecuador egypt england eritrea estonia ethiopia finland france gaza georgia germany ghana greece"
    " guatemala haiti honduras hungary iceland india indonesia iran iraq ireland israel italy jamaica japan"
    " jordan kazakhstan kenya korea kosovo kuwait latvia lebanon libya lithuania malaysia mali mexico moldova"
    " mongolia morocco mozambique myanmar nepal netherlands nicaragua niger nigeria norway pakistan palestine"
    " panama peru philippines poland portugal qatar romania russia rwanda scotland senegal serbia singapore"
    " slovakia slovenia somalia spain sudan sweden switzerland syria taiwan tanzania thailand tunisia turkey"
    " uganda ukraine uruguay uzbekistan venezuela vietnam wales yemen zambia zimbabwe africa america asia"
    " europe usa".split()
)

# What is written for one another: letters by keyboards of Arabic, Persian and Urdu; Hindi nasal signs, and loan words
# with and without their dots (Lucene's ArabicNormalizer, PersianNormalizer and HindiNormalizer do the same); and the
# digits of every script, of which these are the zeros.
_ZEROS = "٠۰߀०০੦૦୦௦౦೦൦෦๐໐༠၀႐០᠐᥆᧐᪀᪐᭐᮰᱀᱐꘠꣐꤀꧐꧰꩐꯰"
WRITTEN_ALIKE = str.maketrans("ىیکہەة\u0901", "يي\u0643ههه\u0902", "\u093c") | {
    ord(zero) + value: str(value) for zero in _ZEROS for value in range(10)
}

# A word that only one of two like headlines holds, and that makes it another event: "not" and "another"; own list.
# Without what says other things as well: "non" (English writes it before a hyphen), "secondo".
_AGAIN = (
    "another again second third fourth fifth no not never cannot cant wont isnt arent wasnt werent doesnt dont didnt"
    " hasnt havent hadnt wouldnt couldnt shouldnt nicht kein keine keinen keinem keiner pas ne nao не"
    " zweiter zweite zweites zweiten dritter dritte drittes weiterer weitere weiteres weiteren erneuter erneute erneut"
    " deuxieme troisieme autre segunda tercera terceira otra otro outra outro seconda terza altra altro"
    " tweede derde opnieuw drugi druga drugie kolejny kolejna kolejne второй вторая второе вторую третий третья"
    " еще снова другий друга друге знову ikinci üçüncü yeniden ثان ثاني ثانية دوم دومين נוסף נוספת שוב δεύτερη δεύτερο"
    " kedua lagi दूसरा दूसरी फिर 또 다시"
)


def _bare(text: str) -> str:
    """Without accents, and Hangul taken apart, as core/sketch.py folds headlines."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not "\u0300" <= sign <= "\u036f")


AGAIN = frozenset(_bare(_AGAIN).translate(WRITTEN_ALIKE).split())
_PAIRS = (
    "rise fall|rises falls|rose fell|raise cut|raises cuts|up down|gain drop|gains drops|gains losses"
    "|higher lower|wins loses|agrees refuses|agrees rejects|accepts rejects|approves rejects|opens closes"
    "|reopens closes|starts ends|begins ends|hit miss|beats misses|jumps slumps|climbs slips|backs opposes"
    "|denies confirms|arrives leaves|extends ends|lifts imposes|killed rescued|north south|east west"
    "|northern southern|eastern western"
    "|arrested charged|arrested convicted|arrested sentenced|arrested released|charged convicted|charged sentenced"
    "|passes rejects|admits denies|guilty innocent|with without|succeeds fails|adopte rejette"
    "|charged cleared|charged acquitted|convicted acquitted|detained released"
)
OPPOSITES: dict[str, frozenset[str]] = {}
for _pair in _PAIRS.split("|"):
    for _one, _other in (_pair.split(), _pair.split()[::-1]):
        OPPOSITES[_one] = OPPOSITES.get(_one, frozenset()) | {_other}

# Languages that are written in other letters than Latin ones, or in these as well (ISO 639).
OTHER_SCRIPTS = frozenset(
    "ab am ar as av az ba be bg bho bn bo bs ce ckb cv dv dz el fa gu he hi hy ii iu iw ja ji ka kk km kn ko kok ks ku"
    " kv ky lo mai mk ml mn mr my ne nqo or os pa prs ps ru sa sat sd si sr syr ta te tg th ti tk tt ug uk ur uz wuu yi"
    " yue zh".split()
)

# What makes a word the opposite of what stands behind it.
NEGATING = ("un", "il", "im", "in", "ir", "dis", "non", "des", "on", "ne", "nie", "не", "без")

# Numbers as words, and what multiplies a number; "once", "due" and "neuf" are words of other languages, too.
COUNTED = {
    word: str(number)
    for number, words in enumerate(
        (
            "one", "two zwei deux dos dois duas два две двое", "three drei trois tres tre три трое",
            "four vier quatre cuatro quatro quattro четыре четверо", "five funf cinq cinco cinque пять пятеро",
            "six sechs seis шесть", "seven sieben sept siete sete sette семь", "eight acht huit ocho oito otto восемь",
            "nine neun nueve nove девять", "ten zehn dix diez dez dieci десять", "eleven elf onze undici",
            "twelve zwolf douze doce doze dodici", "thirteen dreizehn treize trece treze tredici", "fourteen",
            "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty zwanzig vingt veinte vinte venti",
        ),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
SCALES = {
    word: scale
    for scale, words in {
        "k": "k thousand tsd тыс",
        "m": "m mn mln mio million millions millionen millones millon milioni milione milhoes milhao млн",
        "bn": "bn mrd billion billions milliarde milliarden milliard milliards miliardi miliardo bilhoes bilhao млрд",
        "tn": "tn trn trillion trillions billionen трлн",
    }.items()
    for word in words.split()
}
