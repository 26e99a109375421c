"""How PayFlow speaks to Temporal: names, limits, client and converter, search attributes."""
