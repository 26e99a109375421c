"""The books held against their invariants, in one snapshot: what demo, doctor and tests ask."""
