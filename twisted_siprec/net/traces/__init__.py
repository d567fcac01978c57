"""What people look at when they search for a fault: HEP for Homer, and packets in files."""
