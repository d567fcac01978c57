"""
The request for a complete snapshot: an UPDATE with metadata of its own kind and
no SDP (:rfc:`7866#section-9.2`, :rfc:`7865#section-7`).
"""

from __future__ import annotations

HEADERS = (
    ("Content-Type", "application/rs-metadata+xml"),
    ("Content-Disposition", "recording-session"),
)

BODY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\r\n'
    b'<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1">\r\n'
    b'  <requestreason xml:lang="en">the metadata began with a partial update</requestreason>\r\n'
    b"</requestsnapshot>\r\n"
)
