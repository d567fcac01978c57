"""
The Grafana dashboard and the alert rules: every metric that they name exists, with
the labels that they ask for.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests.web.test_inside_metrics import everything
from tests.web_fakes import ACCOUNT, FakeServer
from twisted_siprec.net.calls.events import (
    CallClosed,
    CallRefused,
    CallReported,
    CallWarned,
    Discarded,
)
from twisted_siprec.report import ConsumerSaid, LinkDown, LinkUp
from twisted_siprec.web.metrics import Metrics

ETC = Path(__file__).parents[2] / "etc"
RULES = ETC / "prometheus" / "siprec-rules.yml"
OF_PROMETHEUS = {"instance", "job", "le"}


def series() -> dict[str, set[str]]:
    """All samples by name, with their labels, of a server on which everything has happened."""
    server = FakeServer()
    metrics = Metrics(server, everything())
    server.watch(metrics.happened)
    server.begin(tenant="acme")
    server.queues["speech"] = 0.1
    server.happen(
        CallReported("3f2a", LinkUp("3f2a", "speech", 1)),
        CallReported("3f2a", LinkDown("3f2a", "speech", "x", None)),
        CallReported("3f2a", ConsumerSaid("3f2a", "speech", "n", "{}")),
        CallWarned("3f2a", "label-missing", "x"),
        CallRefused("c", "INVITE", None, "x", 403, "x", True, None, "acme"),
        Discarded("x"),
        CallClosed("3f2a", "sbc", ACCOUNT),
    )
    metrics.web.labels("call", "200").inc()
    metrics.web_refusals.labels("wrong_token").inc()
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that an expression names, and the labels that it selects by."""
    for name, labels in re.findall(r"\b((?:siprec|process)_\w+|up\b)(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]~?", labels))


def grouped(expression: str) -> set[str]:
    """The labels that an expression groups by."""
    groups = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {label.strip() for group in groups for label in group.split(",")}


class EtcTests(SynchronousTestCase):
    """Names."""

    def setUp(self) -> None:
        self.series = series()

    def check(self, expression: str) -> None:
        names = dict(selectors(expression))
        self.assertTrue(names, expression)
        known = set(OF_PROMETHEUS)
        for name, labels in names.items():
            self.assertIn(name, self.series, expression)
            known |= self.series[name]
            self.assertLessEqual(labels, self.series[name] | OF_PROMETHEUS, expression)
        self.assertLessEqual(grouped(expression), known, expression)

    def rules(self) -> list[dict[str, Any]]:
        groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def test_rules(self) -> None:
        """Every alert is on metrics that exist, and says what it means."""
        for rule in self.rules():
            self.check(rule["expr"])
            self.assertTrue(rule["annotations"]["summary"])
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"))

    def test_dashboard(self) -> None:
        """Every panel shows metrics that exist, and no panel lies on another."""
        dashboard = json.loads((ETC / "grafana" / "siprec.json").read_text("utf-8"))
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                self.check(target["expr"])
                legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                self.assertLessEqual(legend, grouped(target["expr"]) | {"instance"})
            place = panel["gridPos"]
            cells = {
                (place["x"] + x, place["y"] + y)
                for x in range(place["w"])
                for y in range(place["h"])
            }
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        self.assertEqual(max(x for x, _ in taken), 23)

    def test_all_are_used(self) -> None:
        """Every metric of ours is on the dashboard, but for those of the listener itself."""
        text = (ETC / "grafana" / "siprec.json").read_text("utf-8")
        unused = {
            name
            for name in self.series
            if name.startswith("siprec_")
            and not name.endswith(("_sum", "_count"))
            and name not in text
        }
        of_the_listener = {"siprec_web_requests_total", "siprec_web_refusals_total"}
        self.assertEqual(unused, {*of_the_listener, "siprec_destination_frames_total"})

    def test_mistakes_are_seen(self) -> None:
        """The check itself would see a name or a label that is not there."""
        for wrong in (
            "sum(siprec_nothing)",
            'siprec_calls{colour="red"}',
            "sum by (colour) (siprec_calls)",
        ):
            self.assertRaises(self.failureException, self.check, wrong)


@pytest.mark.interop
@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="not installed: promtool (.ci/run installs it)"
)
def test_promtool() -> None:
    """Prometheus's own tool takes the rules and the configuration."""
    for command in (
        ["promtool", "check", "rules", str(RULES)],
        ["promtool", "check", "config", "--syntax-only", str(ETC / "prometheus" / "siprec.yml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
