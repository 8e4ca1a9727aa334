"""The routes of the pages."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import polars as pl
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adrec_cli.artifacts.promotion import Current, read_current
from adrec_cli.errors import AdrecError
from adrec_cli.models.registry import MODELS
from adrec_cli.pages.markup import paragraph
from adrec_cli.schema import ITEM_ID, TITLE
from adrec_cli.serving.batcher import AnswerFailed, Overloaded
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import Limits
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from adrec_cli.serving.ui.ask_page import FOUND_AT_MOST, FoundItem, Shown, show_form, show_found, show_lists
from adrec_cli.serving.ui.asked import MOST_HISTORY, read_asked
from adrec_cli.serving.ui.frame import asset_routes, respond, respond_part
from adrec_cli.serving.ui.nights_page import show_nights

Ask = Callable[[Sequence[Question]], Awaitable[list[Answer | AdrecError]]]


class Pages:
    """Pages about the model that is served, and perhaps about another one beside it."""

    def __init__(
        self, ask: Ask, model: Callable[[], ServedModel], nights: NightsFile, limits: Limits,
        beside: ServedModel | None = None,
    ) -> None:  # fmt: skip
        """Take what they are made from.

        Args:
            ask: has the model that is served answer.
            model: returns that model.
            nights: what runs noted.
            limits: of the server.
            beside: another model that answers the same.
        """
        self._ask, self._model, self._nights, self._limits, self._beside = ask, model, nights, limits, beside
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return what answers at which path."""
        return [
            Route("/", self._recommendations),
            Route("/nights", self._show_nights),
            *asset_routes(),
        ]

    async def _recommendations(self, request: Request) -> Response:
        model = self._model()
        asked = read_asked(request.query_params.multi_items(), self._limits)
        found = await asyncio.to_thread(find_items, model.recommender.items, asked.search) if asked.search else None
        if request.query_params.get("part") == "found":
            return respond_part(show_found(found, full=len(asked.history) >= MOST_HISTORY))
        names = name_items(model.recommender.items, asked.history)
        base = _base_of(request)
        history = [FoundItem(item_id=item, title=names.get(item)) for item in asked.history]
        form = show_form(asked, history, found, action=f"{base}/")
        show = functools.partial(respond, f"{model.recommender.dataset}: recommendations", "/", form, base=base)
        if asked.question is None:
            return show()
        try:
            shown = await self._answer(model, asked.question)
        except Overloaded:
            return show(paragraph("Too many questions are waiting: try again."), status=503)
        except AnswerFailed:
            return show(paragraph("The server failed; its log says why."), status=500)
        near = [
            item
            for one in shown
            if isinstance(one.answer, Answer)
            for reason in one.answer.explanations or ()
            for item in reason.nearest
        ]
        return show(show_lists(shown, name_items(model.recommender.items, near)))

    async def _answer(self, model: ServedModel, question: Question) -> list[Shown]:
        shown = [Shown(model=model, answer=(await self._ask([question]))[0])]
        if self._beside is not None:
            async with self._one_at_a_time:
                (answer,) = await asyncio.to_thread(self._beside.answer, [question])
            shown.append(Shown(model=self._beside, answer=answer))
        return shown

    async def _show_nights(self, request: Request) -> Response:
        recommender = self._model().recommender
        asked = request.query_params.get("model", "")
        model = asked if asked in MODELS else recommender.checkpoint.metadata.model
        current = await asyncio.to_thread(_read_promoted, self._nights.folder / model)
        parts = show_nights(model, self._nights.of(model), current, recommender.dataset)
        return respond(f"{recommender.dataset}: nights", "/nights", *parts, base=_base_of(request))


def find_items(items: pl.DataFrame, text: str) -> list[FoundItem]:
    """Return items whose title or id has a text in it, whatever its case; those whose id it is come first."""
    wanted = text.lower()
    titled = TITLE in items.columns
    has = pl.col(ITEM_ID).str.to_lowercase().str.contains(wanted, literal=True)
    if titled:
        has |= pl.col(TITLE).str.to_lowercase().str.contains(wanted, literal=True).fill_null(False)
    columns = [ITEM_ID, TITLE] if titled else [ITEM_ID]
    there = items.lazy().select(columns).filter(has)
    exact = there.filter(pl.col(ITEM_ID) == text)
    rows = pl.concat([exact, there.filter(pl.col(ITEM_ID) != text).head(FOUND_AT_MOST)]).head(FOUND_AT_MOST).collect()
    return [FoundItem(item_id=row[ITEM_ID], title=row.get(TITLE)) for row in rows.iter_rows(named=True)]


def name_items(items: pl.DataFrame, ids: Sequence[str]) -> dict[str, str | None]:
    """Return the titles of items by their ids; those that are unknown are not in it."""
    if TITLE not in items.columns or not ids:
        return {}
    there = items.lazy().filter(pl.col(ITEM_ID).is_in(list(ids))).select(ITEM_ID, TITLE).collect()
    return dict(there.iter_rows())


def _read_promoted(folder: Path) -> Current | None:
    try:
        return read_current(folder)
    except AdrecError:
        return None  # `adrec verify` says what is damaged


def _base_of(request: Request) -> str:
    """Return what stands before the paths of the pages, as a browser writes it: of one shop among several."""
    return quote(request.scope.get("root_path", ""))
