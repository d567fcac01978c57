"""Where recorded calls go: patterns, rules, and how many calls are taken."""

from .patterns import AddressPattern, PatternError, TextPattern
from .policy import Intake
from .rules import CallFacts, Condition, Fact, Failing, Lookup, Router, Rule

__all__ = [
    "AddressPattern",
    "CallFacts",
    "Condition",
    "Fact",
    "Failing",
    "Intake",
    "Lookup",
    "PatternError",
    "Router",
    "Rule",
    "TextPattern",
]
