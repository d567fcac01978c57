"""
The routes of the API, in one table: method, path, operation, and who may.
openapi.json describes the same, for programs; a test compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ..config.model import Role


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, and where it is."""

    method: str
    path: str
    "With ``{name}`` for one part that is a parameter."
    operation: str
    "The name of the method of :class:`~.api.API`."
    role: Role | None = Role.VIEW
    "What a token must have for it; None where none is needed."
    of_all: bool = False
    "It concerns the server as a whole: no tenant may."


ROUTES = (
    Route("GET", "/healthz", "health", None),
    Route("GET", "/readyz", "readiness", None),
    Route("GET", "/metrics", "metrics", Role.METRICS),
    Route("GET", "/api/v1/openapi.json", "description", None),
    Route("GET", "/api/v1/status", "status"),
    Route("GET", "/api/v1/calls", "calls"),
    Route("GET", "/api/v1/calls/{id}", "call"),
    Route("GET", "/api/v1/calls/{id}/sip", "sip"),
    Route("GET", "/api/v1/calls/{id}/metadata", "metadata"),
    Route("GET", "/api/v1/calls/{id}/waveform", "waveform"),
    Route("POST", "/api/v1/calls/{id}/destinations", "copy", Role.STEER),
    Route("DELETE", "/api/v1/calls/{id}/destinations/{name}", "uncopy", Role.STEER),
    Route("POST", "/api/v1/calls/{id}/hangup", "hang_up", Role.STEER),
    Route("POST", "/api/v1/calls/{id}/pause", "pause", Role.STEER),
    Route("POST", "/api/v1/calls/{id}/resume", "resume", Role.STEER),
    Route("DELETE", "/api/v1/calls/{id}/streams/{index}", "drop", Role.STEER),
    Route("GET", "/api/v1/history", "history"),
    Route("POST", "/api/v1/drain", "drain", Role.STEER, of_all=True),
    Route("GET", "/api/v1/packets", "packets", of_all=True),
    Route("GET", "/api/v1/traces", "traces", of_all=True),
    Route("POST", "/api/v1/traces", "trace", Role.STEER, of_all=True),
    Route("DELETE", "/api/v1/traces/{name}", "untrace", Role.STEER, of_all=True),
)


@dataclass(frozen=True, slots=True)
class Match:
    """What was found for a request."""

    route: Route | None
    "None where there is none for the method, or none at all."
    parameters: dict[str, str]
    allowed: tuple[str, ...]
    "The methods of the path; empty for a path that is not."


def find(method: str, path: str, routes: tuple[Route, ...] = ROUTES) -> Match:
    """The route of a request. HEAD is GET without the body."""
    asked = "GET" if method == "HEAD" else method
    allowed: list[str] = []
    for route in routes:
        parameters = _parameters(route.path, path)
        if parameters is None:
            continue
        if route.method == asked:
            return Match(route, parameters, ())
        allowed += ("GET", "HEAD") if route.method == "GET" else (route.method,)
    return Match(None, {}, tuple(allowed))


def _parameters(template: str, path: str) -> dict[str, str] | None:
    """The parameters in a path; None where it is another one."""
    expected, given = template.split("/"), path.split("/")
    if len(expected) != len(given):
        return None
    parameters = {}
    for wanted, part in zip(expected, given, strict=True):
        name = re.fullmatch(r"\{(\w+)\}", wanted)
        if name is None:
            if wanted != part:
                return None
        elif part:
            parameters[name[1]] = unquote(part)
        else:
            return None
    return parameters
