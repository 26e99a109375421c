"""Many transfers, many deaths, and books that balance in every snapshot."""
