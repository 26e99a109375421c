"""What PayFlow says of itself: logs."""
