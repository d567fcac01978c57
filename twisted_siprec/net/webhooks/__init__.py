"""What happens to calls, posted to servers of others."""
