"""
The Session Recording Protocol (:rfc:`7866`) and its metadata (:rfc:`7865`):
what is recorded, who speaks on it, and when it begins, changes and ends.
"""
