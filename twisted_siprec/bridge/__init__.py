"""
The media plane of one process, and the delivery to consumers: no I/O, no clock.
"""
