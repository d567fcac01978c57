"""
Readers of names that several sections take.
"""

from __future__ import annotations

from .readers import Text

FIELD_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"A header field's name (:rfc:`9110#section-5.6.2`)."

NAME = Text("a name of letters, digits, hyphens, dots and underscores", r"[A-Za-z0-9][\w.-]{0,63}")
HEADER_NAME = Text("the name of a header field", FIELD_NAME, 128)
