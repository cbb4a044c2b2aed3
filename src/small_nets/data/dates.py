"""Tells whether a text is a date or a time of day. "10-12-14" is not: it may be an age band."""

import re
from datetime import datetime

DATE = re.compile(
    r"""(?: (?P<year>\d{4}) (?P<a>[-/.]) (?P<month>\d{1,2}) (?: (?P=a) (?P<day>\d{1,2}) )?
          | (?P<one>\d{1,2}) (?P<b>[-/.]) (?P<two>\d{1,2}) (?P=b) (?P<last>\d{4})
          | (?P<short>\d{1,2}/\d{1,2}/\d{2})
        )
        (?: [T\ ]+ (?P<time>\d{1,2}:\d\d.*) )?""",
    re.VERBOSE | re.ASCII,
)
TIME = re.compile(
    r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?\s*(?:[AaPp][Mm])?\s*(?:Z|UTC|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
NAMED = ("%d %b %Y", "%d-%b-%Y", "%d. %b %Y", "%b %d, %Y", "%b %d %Y",
         "%d %B %Y", "%d-%B-%Y", "%d. %B %Y", "%B %d, %Y", "%B %d %Y")  # fmt: skip
LONGEST = 40


def is_date(text: str) -> bool:
    """Whether a text is a date with a year of four digits (or d/m/yy), a month, or a time of day.

    A time of day alone needs two digits for the hour: 1:10 is a ratio.
    """
    if len(text) > LONGEST:
        return False
    match = DATE.fullmatch(text)
    if match is None:
        return (text[2:3] == ":" and _is_time(text)) or _is_named(text)
    if match["time"] is not None and not _is_time(match["time"]):
        return False
    if match["year"]:
        if match["day"] is None and match["a"] == ".":
            return False  # 2024.05 is a number
        return _is_day(match["year"], match["month"], match["day"] or "1")
    parts = match["short"].split("/") if match["short"] else [match["one"], match["two"], "2000"]
    year = match["last"] or f"20{parts[2]}"
    one, two = parts[:2]
    return _is_day(year, two, one) or _is_day(year, one, two)


def _is_day(year: str, month: str, day: str) -> bool:
    return _is_of_form(f"{year}-{month}-{day}", "%Y-%m-%d")


def _is_time(text: str) -> bool:
    match = TIME.fullmatch(text)
    return match is not None and int(match[1]) < 24 and max(int(match[2]), int(match[3] or 0)) < 60


def _is_named(text: str) -> bool:
    could_be = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    return could_be and any(_is_of_form(text, form) for form in NAMED)


def _is_of_form(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True
