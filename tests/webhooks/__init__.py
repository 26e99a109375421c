"""Webhooks against real sockets: receivers of every kind, and nobody else's machine."""
