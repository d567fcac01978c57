"""Where recorded calls go: patterns, rules, and how many calls are taken."""

from .patterns import AddressPattern, PatternError, TextPattern
from .policy import Intake
from .rules import CallFacts, Condition, Fact, Router, Rule

__all__ = [
    "AddressPattern",
    "CallFacts",
    "Condition",
    "Fact",
    "Intake",
    "PatternError",
    "Router",
    "Rule",
    "TextPattern",
]
