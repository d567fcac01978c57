"""The media plane of a process: sockets, slots and bridges."""
