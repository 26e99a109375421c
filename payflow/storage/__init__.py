"""The ports over MongoDB and Redis: documents, the posting of legs, queries."""
