"""A table for a paper: LaTeX that compiles whatever names stand in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from adrec_cli.artifacts.harmless_text import harmless

_ESCAPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        '"': r"\char34{}",
        "±": r"$\pm$",
        # At the beginning of a row they would be an argument of the line break before it.
        "[": "{[}",
        "*": "{*}",
        **{char: f"\\{char}" for char in "&%$#_{}"},
    }
)
"""What LaTeX acts on, or what its oldest fonts show as another letter."""
# Two hyphens are joined into a dash, two apostrophes into a quotation mark, and ?` and !` turn over.
_JOINED: Final = re.compile(r"([-',])(?=\1)")


def escape_latex(text: str) -> str:
    """Return text so that LaTeX sets it as it is, in one line."""
    shown = " ".join(harmless(text).split())
    return "".join(_ESCAPES.get(char, char) for char in _JOINED.sub("\\1\0", shown)).replace("\0", "{}")


def list_latex_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, label: str) -> list[str]:
    r"""Return the lines of a floating table with the rules of booktabs.

    Args:
        columns: headings as LaTeX; the first column stands left, the others right.
        rows: of cells as LaTeX, as many as there are columns.
        caption: as LaTeX.
        label: of \ref, from any text: what a label cannot hold becomes a hyphen.
    """
    body = [" & ".join(row) + r" \\" for row in rows]
    return [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', label).strip('-')}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
        r"    \toprule",
        "    " + " & ".join(columns) + r" \\",
        r"    \midrule",
        *(f"    {row}" for row in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
