"""
Makes ``twistd siprec`` known to twistd.
"""

from twisted.application.service import ServiceMaker

siprec = ServiceMaker(
    "siprec",
    "twisted_siprec.tap",
    "A SIPREC recording server: live call audio and metadata to WebSocket consumers.",
    "siprec",
)
