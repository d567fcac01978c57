"""
The page of security says what is so: every test that it names is there.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.rst"


def exists(test: str) -> bool:
    """Whether there is a test of a name, within the class that is named."""
    path, *names = test.split("::")
    if not (ROOT / path).is_file():
        return False
    found: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for name in names:
        inner = [each for each in found if getattr(each, "name", None) == name]
        if not inner:
            return False
        found = getattr(inner[0], "body", [])
    return True


class SecurityPageTests(SynchronousTestCase):
    """docs/security.rst."""

    def test_named(self) -> None:
        """Every test that it names is there."""
        named = re.findall(r"``(tests/[^`]+)``", PAGE.read_text())
        self.assertGreater(len(named), 40)
        self.assertEqual([test for test in named if not exists(test)], [])

    def test_missing(self) -> None:
        """A test that is not there is missed, be it the file, the class or the name."""
        here = "tests/test_security.py"
        self.assertTrue(exists(f"{here}::SecurityPageTests::test_missing"))
        for missing in ("tests/x.py", f"{here}::Other::test_missing", f"{here}::test_nothing"):
            self.assertFalse(exists(missing), missing)
