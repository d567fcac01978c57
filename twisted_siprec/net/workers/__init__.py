"""The media plane in processes of its own, behind the same three requests."""
