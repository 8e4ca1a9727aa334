"""The page on which one chooses among the shops of a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adrec_cli.pages.markup import Content, element, paragraph, table
from adrec_cli.serving.shops import FAILING, STALE, ShopState
from adrec_cli.serving.ui.frame import SHOPS_NAME, SHOPS_PATH, asset_routes, respond_with

_SAID = {STALE: "an earlier model answers, as the promoted one cannot be loaded", FAILING: "no model answers"}


def make_front(states: Callable[[], Sequence[ShopState]]) -> list[Route]:
    """Return the routes of the page, and of what all pages load.

    Args:
        states: returns how each shop is.
    """

    async def show(request: Request) -> Response:
        return respond_with(SHOPS_NAME, None, *_show(states()))

    return [Route(SHOPS_PATH, show), *asset_routes()]


def _show(states: Sequence[ShopState]) -> list[Content]:
    rows = [
        [
            _lead_to(state),
            state.kind,
            element("code", state.model) if state.model else "",
            _SAID.get(state.status, "ok"),
        ]
        for state in states
    ]
    return [
        paragraph("Choose a shop."),
        table(["shop", "model", "checkpoint", "state"], rows, caption="Shops served here"),
    ]


def _lead_to(state: ShopState) -> Content:
    return state.name if state.status == FAILING else element("a", state.name, href=f"{state.path}/")
