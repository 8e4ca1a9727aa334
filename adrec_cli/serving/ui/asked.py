"""What the form of the page asks, read from the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adrec_cli.serving.options import Limits
from adrec_cli.serving.served_model import Question

MOST_ITEMS = 50
"""Of a list on the page; `POST /recommend` gives more."""
MOST_HISTORY = 50
"""Items of a history that the page builds: each stands in the address."""
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What stands in the form.

    Attributes:
        user: raw id, "" for none.
        history: raw item ids, oldest first.
        search: text that items are searched for by.
        k: length of the list.
        explain: say what moved each score.
    """

    user: str = ""
    history: tuple[str, ...] = ()
    search: str = ""
    k: int = 10
    explain: bool = False

    @property
    def question(self) -> Question | None:
        """What the model is asked: of the history, or else of the user; None where the form names nobody."""
        if self.history:
            return Question(user=None, history=self.history, k=self.k, explain=self.explain)
        return Question(user=self.user, history=None, k=self.k, explain=self.explain) if self.user else None


def read_asked(pairs: Sequence[tuple[str, str]], limits: Limits) -> Asked:
    """Read the form; what it cannot send is left out, as an address is typed by hand, too.

    Args:
        pairs: names and values of the query, in its order; `drop` names a place of the history, from 0.
        limits: of the server.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value[:_LONGEST])
    history = [item for item in given.get("item", []) if item][:MOST_HISTORY]
    for place in given.get("drop", []):
        if place.isascii() and place.isdigit() and int(place) < len(history):
            del history[int(place)]
    asked = Asked(
        user=given.get("user", [""])[-1].strip(),
        history=tuple(history),
        search=given.get("q", [""])[-1].strip(),
        explain="explain" in given,
    )
    most = min(MOST_ITEMS, limits.k)
    k = given.get("k", [""])[-1]
    wanted = int(k) if k.isascii() and k.isdigit() else asked.k
    return replace(asked, k=min(max(wanted, 1), most))
