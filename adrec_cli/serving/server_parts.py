"""What a server is put together from: what answers, within which limits, and what several shops share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from starlette.routing import Route

from adrec_cli.errors import AdrecError
from adrec_cli.serving.bodies import Bodies
from adrec_cli.serving.hosts import AllowedHosts
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import Limits
from adrec_cli.serving.posted_items import Row
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from adrec_cli.serving.watch import Changed, Load

LoadWith = Callable[[Sequence[Row]], ServedModel]
"""Loads the model with more items, and keeps them for the next time."""
MakePages = Callable[[Callable[[Sequence[Question]], Awaitable[list[Answer | AdrecError]]], Callable[[], ServedModel]],
                     Sequence[Route]]  # fmt: skip
"""Returns routes of pages, from what has the model answer and what returns it."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a server answers with.

    Attributes:
        load, changed: the model, and whether there is another one; as `ModelWatch`.
        nights: of which metrics tell the last.
        load_with: the model with items that are posted; None refuses them.
        pages: for people; None has none.
    """

    load: Load
    changed: Changed
    nights: NightsFile
    load_with: LoadWith | None = None
    pages: MakePages | None = None


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What a server accepts, and for how long it waits.

    Attributes:
        limits: of a request, of a batch and of the queue.
        hosts: names by which requests may call it.
        poll_seconds: between two looks for a newly promoted model.
        client_seconds: for a client to send its body.
    """

    limits: Limits
    hosts: AllowedHosts
    poll_seconds: float
    client_seconds: float


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all shops of a server share.

    Attributes:
        bodies: that are being sent.
        loading: held while a model is loaded, so that only one is in memory twice.
    """

    bodies: Bodies
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def within(cls, settings: ServerSettings) -> Shared:
        """Return it with the limits of a server."""
        return cls(bodies=Bodies(settings.limits.body, settings.client_seconds))
