"""
The tables of docs/sizing.rst, computed again from the inputs on that page.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench import sizing

PAGE = Path(__file__).parents[1] / "docs" / "sizing.rst"


def inputs(page: str) -> sizing.Inputs:
    """The inputs on the page."""
    values = {}
    for field in fields(sizing.Inputs):
        found = re.search(rf"^{field.name} +([0-9.,]+)$", page, re.MULTILINE)
        assert found is not None, field.name
        values[field.name] = type(field.default)(found[1].replace(",", ""))
    return sizing.Inputs(**values)


class SizingTests(SynchronousTestCase):
    """Arithmetic by hand, and that the page has it."""

    def test_page(self) -> None:
        """Every table of the page is what the program prints for the page's inputs."""
        page = PAGE.read_text()
        for table in sizing.tables(inputs(page)):
            self.assertIn(table, page)

    def test_g711(self) -> None:
        """160 + 12 + 8 + 20 + 18 octets, fifty times a second, are 87.2 kbit/s."""
        self.assertEqual(sizing.G711.frame, 218)
        self.assertEqual(sizing.G711.kbit_s, 87.2)

    def test_websocket(self) -> None:
        """
        3,200 octets of audio, 16 of framing and 8 of WebSocket are three segments: ten
        times a second 3,224 + 3 × 70 octets, and two acknowledgements of 70 back.
        """
        self.assertEqual((sizing.L16.sent, sizing.L16.segments), (3224, 3))
        self.assertEqual(sizing.L16.kbit_s, 274.72)
        self.assertEqual(sizing.L16.acknowledged_kbit_s, 11.2)

    def test_encrypted(self) -> None:
        """TLS adds a header, a type and a tag to each record."""
        self.assertEqual(sizing.WSS.sent, 3246)

    def test_calls(self) -> None:
        """1,000 calls of 1 ms each second and 180 s, at half the use, and a spare machine."""
        given = sizing.Inputs(
            cpu_us=1000, setup_ms=9, memory_kib=512, base_mib=64, call_s=180, use=0.5, cores=2
        )
        self.assertEqual(sizing.media_cores(given, 1000), 2.0)
        self.assertAlmostEqual(sizing.signalling_cores(given, 1000), 0.1)
        self.assertEqual(sizing.machines(given, 1000), 3)
        self.assertEqual(sizing.memory_gib(given, 1000), (500 + 6 * 64) / 1024)
