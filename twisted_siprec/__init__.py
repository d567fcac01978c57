"""
A SIPREC recording server: ``twistd siprec`` takes recording sessions from
session border controllers (:rfc:`7866`) and delivers their audio and metadata
to WebSocket consumers, live, in order and accounted for.
"""

__version__ = "0.1.0"
