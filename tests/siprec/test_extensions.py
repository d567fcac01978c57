"""
Vendors' identifiers under plain names.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.siprec.extensions import (
    MAX_EXTENSIONS,
    MAX_VALUE_LENGTH,
    Extension,
    extensions_of,
    merged,
    value_of,
)
from twisted_siprec.siprec.tree import read_xml


def found(xml: str) -> tuple[Extension, ...]:
    """The pairs of these elements."""
    root = read_xml(f"<r>{xml}</r>".encode()).root
    assert root is not None
    return extensions_of(root.children)


class NameTests(SynchronousTestCase):
    """From elements to names."""

    def test_plain_names(self) -> None:
        """One name for what vendors name differently."""
        self.assertEqual(
            found(
                '<a:AvayaUCID xmlns:a="http://AudioCodes">1</a:AvayaUCID>'
                "<GenesysUUID>2</GenesysUUID><extTrackingID>3</extTrackingID>"
                "<callid>4</callid><gcid>5</gcid><ucid>6;encoding=hex</ucid>"
            ),
            (
                ("ucid", "1"),
                ("genesys_uuid", "2"),
                ("tracking_id", "3"),
                ("original_call_id", "4"),
                ("gcid", "5"),
                ("ucid", "6"),
            ),
        )

    def test_other_names(self) -> None:
        """Other leaves have their own name in snake case; empty ones are none."""
        self.assertEqual(
            found("<a><serviceProviderID>x</serviceProviderID><b/><my-tag>y</my-tag></a>"),
            (("service_provider_id", "x"), ("my_tag", "y")),
        )

    def test_keys(self) -> None:
        """Elements that have a key attribute are a header, or what it is a plain name for."""
        self.assertEqual(
            found(
                '<header label="Call-ID"><value>1</value></header>'
                '<header label="X-Tag">2</header><param pname="n" pval="3"/><param pname="e"/>'
            ),
            (("original_call_id", "1"), ("header.X-Tag", "2"), ("header.n", "3")),
        )

    def test_named_values(self) -> None:
        """Parameters with name and value in two elements, as Telnyx has them."""
        self.assertEqual(
            found(
                "<ExtensionParameters><Parameter><Name>tenantId</Name><Value>7</Value></Parameter>"
                "<Parameter><Name>empty</Name><Value/></Parameter></ExtensionParameters>"
            ),
            (("tenant_id", "7"), ("name", "empty")),
        )

    def test_namespaces(self) -> None:
        """What one vendor means otherwise is known by its namespace."""
        self.assertEqual(
            found(
                '<j:callednumber xmlns:j="http://jambonz.org/siprec">1</j:callednumber>'
                '<callID xmlns="http://schema.broadsoft.com/broadworksCallRecording">2</callID>'
            ),
            (("calling_number", "1"), ("broadworks_call_id", "2")),
        )

    def test_bounded(self) -> None:
        """Neither the number nor the length is without limit."""
        self.assertEqual(len(found("<a>1</a>" * 100)), MAX_EXTENSIONS)
        self.assertEqual(len(found(f"<a>{'x' * 9000}</a>")[0][1]), MAX_VALUE_LENGTH)


class MergeTests(SynchronousTestCase):
    """Several sources of pairs."""

    def test_unique(self) -> None:
        """Equal pairs are one; other values of a name get a number."""
        self.assertEqual(
            merged([("a", "1"), ("a", "2")], [("a", "1"), ("b", "1"), ("a", "3")]),
            (("a", "1"), ("a_2", "2"), ("b", "1"), ("a_3", "3")),
        )
        self.assertEqual(len(merged([(str(n), "x") for n in range(100)])), MAX_EXTENSIONS)

    def test_value_of(self) -> None:
        """The first name that has a value."""
        self.assertEqual(value_of([("a", ""), ("b", "1"), ("c", "2")], "a", "c", "b"), "2")
        self.assertEqual(value_of([], "a"), None)
