"""Text from outside, such as the names in a file, before a person sees it.

A terminal obeys control characters, and bidirectional overrides show a text as another. `bundles/programs/bundle_core`
has a function of its own for this: it must stand alone in a bundle.
"""

from __future__ import annotations

import unicodedata

LONGEST_WORD = 80
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""A text as one line for a terminal; what that would obey or hide becomes a question mark.

    >>> printable("a\u202eb\x1b[31m")
    'a?b?[31m'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def is_unicode(text: str) -> bool:
    r"""Whether a text is Unicode; the name of a file that is not UTF-8 has halves of surrogate pairs.

    >>> is_unicode("naïve"), is_unicode("na\udcefve")
    (True, False)
    """
    return not any("\ud800" <= character <= "\udfff" for character in text)


def spelled_out(text: str) -> str:
    r"""A text for a page; its control, bidirectional and other invisible characters are written as their numbers.

    >>> spelled_out("a\u202eb\x1b[31m")
    'a\\u202eb\\u001b[31m'
    """
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\t\n" or unicodedata.category(character) not in _INVISIBLE:
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def short_word(word: str) -> str:
    r"""A word of at most 80 characters for a message; an empty one, or one with control characters, in quotes.

    >>> short_word("epochs"), short_word(""), short_word("a\nb")
    ('epochs', "''", "'a\\nb'")
    """
    word = word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 3]}..."
    return word if word.isprintable() and word else repr(word)
