"""
The schema of servers of others besides the consumers: webhooks, look-ups of routes,
and the database of call records.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..routing.rules import Failing, Lookup
from .delivery import CLIENT_TLS, HEADERS
from .document import Place
from .model import (
    RECORD_FIELDS,
    WEBHOOK_CHOICES,
    RecordsConfiguration,
    Webhook,
    WebhookStore,
)
from .names import NAME
from .readers import Choice, ListOf, Number, Reader, Section, Text, Whole, choice_of
from .values import SecretOf, is_host


@dataclass(frozen=True, slots=True)
class HTTPURL:
    """Where a server of others is: ``http://`` or ``https://``."""

    def read(self, place: Place) -> str:
        expected = "http://HOST… or https://HOST…"
        text = place.scalar(expected)
        if re.search(r"[^\x21-\x7e]", text):
            raise place.fail("a URL without blanks, and of ASCII")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise place.fail(expected) from None
        if parts.username is not None or parts.password is not None:
            raise place.fail("a URL without them: use bearer", "a user or a password in the URL")
        if parts.scheme not in ("http", "https") or not is_host(parts.hostname or ""):
            raise place.fail(expected)
        if parts.fragment:
            raise place.fail("a URL without a fragment")
        if port == 0:
            raise place.fail("a port from 1 to 65535", '"0"')
        return text


def _check_tls(url: str, place: Place) -> None:
    members = place.members("a mapping")
    if "tls" in members and not members["tls"].empty and urlsplit(url).scheme != "https":
        place.document.note(f"{place.key}.tls", "found it with http:, expected https: with it")


# --- webhooks -------------------------------------------------------------------------


def _check_webhook(webhook: Webhook, place: Place) -> None:
    _check_tls(webhook.url, place)
    if webhook.backoff_max_s < webhook.backoff_initial_s:
        place.document.note(
            f"{place.key}.backoff_max_s",
            f'found "{webhook.backoff_max_s:g}", '
            f"expected at least backoff_initial_s ({webhook.backoff_initial_s:g})",
        )


WEBHOOK = Section(
    Webhook,
    {
        "name": NAME,
        "url": HTTPURL(),
        "events": ListOf(
            Choice({name: name for name in WEBHOOK_CHOICES}), lone=True, distinct=True, some=True
        ),
        "secret": SecretOf(),
        "bearer": SecretOf(),
        "headers": HEADERS,
        "tls": CLIENT_TLS,
        "timeout_s": Number(0.1, 120, "seconds"),
        "backoff_initial_s": Number(0.1, 3_600, "seconds"),
        "backoff_max_s": Number(0.1, 86_400, "seconds"),
        "keep_s": Number(1, 2_592_000, "seconds"),
        "connections": Whole(1, 64),
        "tenant": NAME,
    },
    required=("name", "url"),
    check=_check_webhook,
)

WEBHOOK_STORE = Section(
    WebhookStore,
    {
        "file": Text("the name of a file", longest=4_096),
        "max_events": Whole(1, 10_000_000),
        "max_dead": Whole(0, 1_000_000),
        "max_unwritten_octets": Whole(65_536, 1_073_741_824, "octets"),
        "stop_s": Number(0, 600, "seconds"),
    },
)


@dataclass(frozen=True, slots=True)
class _Webhooks:
    """Webhooks with names of their own, by which their events wait for them."""

    def read(self, place: Place) -> tuple[Webhook, ...]:
        webhooks = ListOf(WEBHOOK, longest=64).read(place)
        names = [webhook.name for webhook in webhooks]
        for index, name in enumerate(names):
            if name in names[:index]:
                place.document.note(
                    f"{place.key}[{index}].name", f'found "{name}" a second time, expected another'
                )
        return webhooks


# --- look-ups ---------------------------------------------------------------------------

LOOKUP = Section(
    Lookup,
    {
        "url": HTTPURL(),
        "timeout_s": Number(0.05, 30, "seconds"),
        "cache_s": Number(0, 86_400, "seconds"),
        "when_failing": choice_of(Failing),
        "headers": HEADERS,
        "bearer": SecretOf(),
        "tls": CLIENT_TLS,
        "connections": Whole(1, 1_000),
        "max_waiting": Whole(1, 100_000),
        "failures_to_open": Whole(1, 1_000),
        "open_s": Number(0.1, 3_600, "seconds"),
    },
    required=("url",),
    check=lambda lookup, place: _check_tls(lookup.url, place),
)

# --- records ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _DatabaseOf:
    """``sqlite:FILE`` or ``postgresql://…``."""

    def read(self, place: Place) -> str:
        expected = "sqlite:FILE or postgresql://HOST/DATABASE"
        text = place.scalar(expected)
        if re.fullmatch(r"sqlite:[^\x00-\x1f]+|postgresql://[\x21-\x7e]+", text) is None:
            raise place.fail(expected)
        if text.startswith("postgresql:"):
            self._check_postgresql(text, place, expected)
        return text

    def _check_postgresql(self, text: str, place: Place, expected: str) -> None:
        try:
            parts = urlsplit(text)
        except ValueError:
            raise place.fail(expected) from None
        if parts.password is not None or "password=" in parts.query:
            raise place.fail(
                "a URL without it: PGPASSFILE or ~/.pgpass holds it", "a password in the URL"
            )
        if importlib.util.find_spec("psycopg") is None:
            raise place.fail(
                "sqlite:FILE, or psycopg installed (pip install 'twisted_siprec[postgresql]')"
            )


def _check_records(records: RecordsConfiguration, place: Place) -> None:
    both = sorted(set(records.hide) & set(records.hash))
    if both:
        place.document.note(f"{place.key}.hash", f"found {', '.join(both)}, which hide has too")
    if records.hash and records.hash_key is None:
        place.fail("the key hash_key with hash", "none")


_FIELDS: ListOf[str] = ListOf(
    Choice({name: name for name in RECORD_FIELDS}), lone=True, distinct=True
)

RECORDS = Section(
    RecordsConfiguration,
    {
        "database": _DatabaseOf(),
        "keep_days": Whole(0, 36_500, "days"),
        "hide": _FIELDS,
        "hash": _FIELDS,
        "hash_key": SecretOf(),
        "node": Text("a name", r"[A-Za-z0-9][\w.-]{0,63}"),
    },
    check=_check_records,
)

SERVICES: dict[str, Reader[Any]] = {
    "webhooks": _Webhooks(),
    "webhook_queue": WEBHOOK_STORE,
    "records": RECORDS,
}
"The top-level keys that this module reads."
