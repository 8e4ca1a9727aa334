"""What all pages have in common: their head, the way to the others, and what a browser may do with them."""

from __future__ import annotations

from starlette.responses import Response

from adrec_cli.pages.markup import Content, Html, element

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Nothing of another origin is loaded, nothing inline runs, no other site may show a page in a frame."""
_PAGES = {"/": "Recommendations", "/nights": "Nights"}


def respond(title: str, here: str, *content: Content | None, status: int = 200) -> Response:
    """Return a whole page.

    Args:
        title: of the page, also its first headline.
        here: its path.
        content: of its main part.
        status: of the answer.
    """
    links = [
        element("li", element("a", name, href=path, aria_current="page" if path == here else None))
        for path, name in _PAGES.items()
    ]
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
            element("header", element("h1", title), element("nav", element("ul", *links), aria_label="Pages")),
            element("main", *content),
        ),
        lang="en",
    )
    return Response(f"<!doctype html>\n{page.text}\n", status, HEADERS, media_type="text/html")


def respond_part(content: Html) -> Response:
    """Return a part of a page, for the script to put in."""
    return Response(content.text, 200, HEADERS, media_type="text/html")
