"""The shell: whatever touches sockets, clocks, files and databases, around the cores."""
