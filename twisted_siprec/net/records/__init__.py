"""Call records, in a database."""
