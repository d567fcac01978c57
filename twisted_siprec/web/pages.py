"""
The live page's files: static, without a build step, and known by name.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from .api import Answer

PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/call.js": ("call.js", "text/javascript; charset=utf-8"),
    "/dom.js": ("dom.js", "text/javascript; charset=utf-8"),
    "/ladder.js": ("ladder.js", "text/javascript; charset=utf-8"),
    "/listen.js": ("listen.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"Path to file and content type."


@cache
def page(path: str) -> Answer:
    """A file of the page. It says nothing that needs a token."""
    name, content_type = PAGES[path]
    return Answer(200, files(__package__).joinpath("static", name).read_bytes(), content_type)
