"""Signing, sealing, guarding and sending: how an event reaches a subscriber."""
