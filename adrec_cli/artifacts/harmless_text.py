"""Text from data, made such that a terminal only shows it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Format characters (Cf) join letters and emoji and stay; these ones turn the direction of what follows.
_BIDI_CONTROLS: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Of what JSON may hold as it is: controls of seven and of eight bits, line separators, direction marks.
_IN_JSON: Final = re.compile(f"[\x7f-\x9f\u2028\u2029{_BIDI_CONTROLS}]")


def harmless(text: str) -> str:
    """Return text from data or from the command line so that a terminal only shows it.

    Control characters, line separators, direction marks and undecodable bytes become escapes such as \\x1b.
    """
    return "".join(_escape(char) if _acts_on_terminal(char) else char for char in text)


def harmless_lines(text: str) -> str:
    """Return lines as `harmless` does, with their ends and tabs as they are."""
    return "".join(char if char in "\n\t" else harmless(char) for char in text)


def harmless_json(text: str) -> str:
    """Return JSON that says the same with escapes in place of what a terminal acts on."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _acts_on_terminal(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDI_CONTROLS


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()
