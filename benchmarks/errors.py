"""Why a run is worth nothing."""


class BenchFailed(Exception):
    """An answer was wrong or missing: what was measured is not what was meant."""
