"""
The table of routes, and the OpenAPI description of it.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import ACCOUNT, BEGINNING, STREAM
from twisted_siprec.net.calls.events import CallClosed, CallReported, CallWarned
from twisted_siprec.report import ConsumerSaid
from twisted_siprec.sip.events import Traced
from twisted_siprec.web import bodies
from twisted_siprec.web.api import API
from twisted_siprec.web.records import CallRecords
from twisted_siprec.web.routes import ROUTES, find


class RoutesTests(SynchronousTestCase):
    """From a request to an operation."""

    def found(self, method: str, path: str) -> str | None:
        route = find(method, path).route
        return route.operation if route is not None else None

    def test_found(self) -> None:
        """Paths lead to operations; HEAD is asked like GET."""
        self.assertEqual(self.found("GET", "/api/v1/calls"), "calls")
        self.assertEqual(self.found("HEAD", "/api/v1/calls"), "calls")
        self.assertEqual(self.found("POST", "/api/v1/calls/x/hangup"), "hang_up")

    def test_parameters(self) -> None:
        """A part of the path is a parameter, unquoted, and never more than a part."""
        self.assertEqual(find("GET", "/api/v1/calls/a%2Fb%20c").parameters, {"id": "a/b c"})
        for path in ("/api/v1/calls/", "/api/v1/calls/a/b", "/api/v1/calls/a/sip/", "/api/v1"):
            self.assertIsNone(self.found("GET", path), path)

    def test_method(self) -> None:
        """By the wrong method it says which are right; elsewhere there are none."""
        self.assertEqual(find("DELETE", "/api/v1/calls").allowed, ("GET", "HEAD"))
        self.assertEqual(find("GET", "/api/v1/drain").allowed, ("POST",))
        self.assertEqual(find("GET", "/etc/passwd").allowed, ())


class DescriptionTests(SynchronousTestCase):
    """openapi.json says what is."""

    def setUp(self) -> None:
        text = files("twisted_siprec.web").joinpath("openapi.json").read_text("utf-8")
        self.document: dict[str, Any] = json.loads(text)

    def test_routes(self) -> None:
        """It has exactly the routes, with their operations, parameters and permissions."""
        described = {
            (method.upper(), path, operation["operationId"], self.roles(operation))
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method != "parameters"
        }
        routes = {
            (route.method, route.path, route.operation, route.role and route.role.value)
            for route in ROUTES
        }
        self.assertEqual(described, routes)
        for path, item in self.document["paths"].items():
            named = {each["name"] for each in item.get("parameters", ())}
            self.assertEqual(named, set(re.findall(r"{(\w+)}", path)), path)

    def roles(self, operation: dict[str, Any]) -> str | None:
        """The one role that an operation takes."""
        for requirement in operation.get("security", self.document["security"]):
            [role] = requirement["token"]
            return str(role)
        return None

    def test_operations(self) -> None:
        """Every operation is one of the API's."""
        for route in ROUTES:
            self.assertTrue(callable(getattr(API, route.operation)), route.operation)

    def test_unauthorized(self) -> None:
        """Whatever needs a token can answer 401, 403 and 429."""
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    open_to_all = operation.get("security") == []
                    for status in ("401", "403", "429"):
                        self.assertEqual(status not in operation["responses"], open_to_all, path)

    def test_references(self) -> None:
        """Every schema that is referred to is there, and every one there is referred to."""
        text = json.dumps(self.document)
        schemas = self.document["components"]["schemas"]
        for name in schemas:
            self.assertIn(f'"#/components/schemas/{name}"', text)
        self.assertEqual(text.count('"$ref"'), text.count('"#/components/schemas/'))

    def test_bodies(self) -> None:
        """What the API answers has the members that are described, and no others."""
        records = CallRecords(lambda: 2_000.0)
        records.traced(Traced(False, None, ("192.0.2.1", 5060), b"INVITE x", "c1@sbc", "INVITE x"))
        for event in (
            *BEGINNING,
            CallWarned("3f2a", "label-missing", "x"),
            CallReported("3f2a", ConsumerSaid("3f2a", "speech", "n", "{}")),
            CallClosed("3f2a", "sbc", ACCOUNT),
        ):
            records.happened(event, 1_000.0)
        record = records.find("3f2a")
        assert record is not None
        self.check("CallSummary", bodies.summary(record, (STREAM,), 1_061.0))
        self.check("Call", bodies.call(record, (STREAM,), 1_061.0))
        self.check(
            "SIPMessages", {"messages": [bodies.rung(record.ladder.rungs[0])], "forgotten": 0}
        )

    def check(self, name: str, body: Any) -> None:
        """The least of a validator: types, members, and what is within."""
        self.check_value(self.document["components"]["schemas"][name], body, name)

    def check_value(self, schema: dict[str, Any], value: Any, where: str) -> None:
        if "$ref" in schema:
            self.check(schema["$ref"].rpartition("/")[2], value)
            return
        if "oneOf" in schema:
            schema = schema["oneOf"][0 if value is None else 1]
            self.check_value(schema, value, where)
            return
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        self.assertIn(kind_of(value, kinds), kinds, where)
        if "enum" in schema:
            self.assertIn(value, schema["enum"], where)
        if isinstance(value, list):
            for item in value:
                self.check_value(schema["items"], item, f"{where}[]")
        elif isinstance(value, dict) and "properties" in schema:
            self.assertEqual(set(value), set(schema["properties"]), where)
            for name, member in value.items():
                self.check_value(schema["properties"][name], member, f"{where}.{name}")


def kind_of(value: Any, kinds: list[str]) -> str:
    """The JSON type of a value; a whole number is a number too."""
    if isinstance(value, int) and not isinstance(value, bool) and "integer" not in kinds:
        return "number"
    names = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
    return names.get(type(value), "array" if isinstance(value, list) else "object")
