"""Markdown of people as HTML that is safe to show: no HTML of theirs, no scripts, no links that run anything.

The text itself is kept as it was written; this is made of it whenever it is shown.
"""

from markdown_it import MarkdownIt

_RENDERER = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False}).enable(["table", "strikethrough"])
_RENDERER.disable("image")  # a picture from elsewhere tells its server who reads the case
_LEADS = frozenset({"http", "https", "mailto"})


def _leads_somewhere(url: str) -> bool:
    """Whether a link may stay: to the web, to a mailbox, or within this page; whatever else a browser knows runs or reads."""
    scheme, colon, _ = url.strip().partition(":")
    return not colon or "/" in scheme or scheme.lower() in _LEADS


_RENDERER.validateLink = _leads_somewhere  # type: ignore[method-assign]  # the library's own way to choose links


def as_html(text: str) -> str:
    """The text as HTML."""
    html: str = _RENDERER.render(text)
    return html
