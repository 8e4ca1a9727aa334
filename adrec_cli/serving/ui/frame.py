"""What all pages have in common: their head, the way to the others, and what a browser may do with them."""

from __future__ import annotations

import functools
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adrec_cli.pages.markup import Content, Html, element, read_style

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Nothing of another origin is loaded, nothing inline runs, no other site may show a page in a frame."""
SHOPS_PATH, SHOPS_NAME = "/", "All shops"
_PAGES = {"/": "Recommendations", "/nights": "Nights"}


def respond(title: str, here: str, *content: Content | None, base: str = "", status: int = 200) -> Response:
    """Return a whole page.

    Args:
        title: of the page, also its first headline.
        here: its path.
        content: of its main part.
        base: before the paths of all pages of its shop, where there are several.
        status: of the answer.
    """
    pages = {f"{base}{path}": name for path, name in _PAGES.items()}
    links = [
        element("li", element("a", name, href=path, aria_current="page" if path == f"{base}{here}" else None))
        for path, name in ({SHOPS_PATH: SHOPS_NAME} | pages if base else pages).items()
    ]
    return respond_with(title, element("nav", element("ul", *links), aria_label="Pages"), *content, status=status)


def respond_with(title: str, navigation: Html | None, *content: Content | None, status: int = 200) -> Response:
    """Return a whole page whose way to the others is given; arguments as `respond`."""
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{title}, adrec"),
            element("link", rel="stylesheet", href="/ui.css"),
            element("script", src="/ui.js", defer="defer"),
        ),
        element(
            "body",
            element("header", element("h1", title), navigation),
            element("main", *content),
        ),
        lang="en",
    )
    return Response(f"<!doctype html>\n{page.text}\n", status, HEADERS, media_type="text/html")


def asset_routes() -> list[Route]:
    """Return where pages find their style and their script."""
    files = {
        "/ui.css": (read_style() + _read("ui.css"), "text/css"),
        "/ui.js": (_read("ui.js"), "text/javascript"),
    }
    return [Route(path, functools.partial(_send, *file)) for path, file in files.items()]


async def _send(content: str, kind: str, request: Request) -> Response:
    return Response(content, 200, HEADERS, media_type=kind)


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def respond_part(content: Html) -> Response:
    """Return a part of a page, for the script to put in."""
    return Response(content.text, 200, HEADERS, media_type="text/html")
