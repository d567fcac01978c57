"""
The table of oddities, and its page in the documentation.

``python -m tests.siprec.test_leniency`` in the checkout writes the page anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twisted_siprec
from twisted_siprec.siprec.leniency import ADVICE, MAX_WARNINGS, WARNINGS, joined, warning

PACKAGE = Path(twisted_siprec.__file__).parent
PAGE = PACKAGE.parent / "docs" / "leniency.rst"

HEAD = """\
What SRCs send that is not as it should be
==========================================

The server records whatever it can, and says what was odd. Each oddity has a code that
stays the same from release to release. It is told once for a call:

* in the log, after the Call-ID: ``… there is no recording metadata [metadata-missing]``;
* to consumers, in ``siprec.warnings`` of ``start``, and of a ``metadata`` message that is sent
  for it at once;
* in the JSON of the call, in ``warning_list``, and at the console (``calls`` of the manhole);
* in the metrics, as a counter for each code.

At most 32 are kept for a call. ``strict: true`` for a source makes those of the marks
(``sip-no-src-tag``, ``sip-no-require-siprec``) and of unreadable metadata refusals instead.

.. This table is made from twisted_siprec/siprec/leniency.py by
   python -m tests.siprec.test_leniency; a test compares them.

"""


def page() -> str:
    """The page as it has to be."""
    lines = [HEAD + ".. list-table::", "   :header-rows: 1", "   :widths: 25 40 35", ""]
    rows = [("code", "what it means", "what to tell the vendor")]
    rows += [(f"``{code}``", text, ADVICE[code]) for code, text in WARNINGS.items()]
    for row in rows:
        for number, cell in enumerate(row):
            lines.append(f"   {'*' if number == 0 else ' '} - {cell}")
    return "\n".join(lines) + "\n"


class TableTests(SynchronousTestCase):
    """Every code is explained, and every one explained is given."""

    def test_advice(self) -> None:
        """Each code has a text and an advice, in the same order."""
        self.assertEqual(list(ADVICE), list(WARNINGS))

    def test_page(self) -> None:
        """The documentation has the table as it is."""
        self.assertEqual(PAGE.read_text(), page())

    def test_given(self) -> None:
        """No code is in the table that nothing gives, and none is given that is not there."""
        text = "".join(
            file.read_text()
            for file in PACKAGE.rglob("*.py")
            if file.name != "leniency.py" and file.parent.name in ("siprec", "sdp")
        )
        prefixes = {code.partition("-")[0] for code in WARNINGS}
        given = {
            code
            for code in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)
            if code.partition("-")[0] in prefixes
        }
        self.assertEqual(set(WARNINGS) - given, set())


class JoinedTests(SynchronousTestCase):
    """What is kept of many."""

    def test_detail(self) -> None:
        """Where it was is in brackets, and bounded."""
        self.assertEqual(warning("label-missing")[1], WARNINGS["label-missing"])
        self.assertTrue(warning("label-missing", "2")[1].endswith(" (2)"))
        self.assertLess(len(warning("label-missing", "x" * 500)[1]), 200)

    def test_once(self) -> None:
        """Each code and text once, and never more than are kept."""
        one, other = warning("label-missing", "0"), warning("label-missing", "1")
        self.assertEqual(joined((one,), (other, one)), (one, other))
        many = tuple(warning("label-missing", str(number)) for number in range(100))
        self.assertEqual(len(joined((), many)), MAX_WARNINGS)


if __name__ == "__main__":
    PAGE.write_text(page())
