"""
RTP and RTCP from the receiver's side (:rfc:`3550`): packets, sources, reports.
"""
