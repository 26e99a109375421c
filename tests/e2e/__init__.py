"""Whole flows through HTTP on the real stack."""
