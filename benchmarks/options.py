"""How long a run takes and how much it moves."""

from dataclasses import dataclass, replace

BATCH_OF_THE_MARK = 10_000  # items, the most that one may have
PROOF_OF_THE_MARK = 1_000_000  # entries of the long past
ROUNDS = 5  # a median of fewer is an anecdote


@dataclass(frozen=True, slots=True)
class Options:
    """One run; ``seconds`` is the length of one contender's turn."""

    kind: str = "full"
    rounds: int = ROUNDS
    seconds: float = 2.5
    callers: int = 16
    past: int = 100_000
    transfers: int = 2_000
    wallets: int = 1_000
    starts: int = ROUNDS
    kills: int = 3
    in_flight: int = 100
    batch: int = BATCH_OF_THE_MARK
    proven: int = PROOF_OF_THE_MARK
    overload_seconds: float = 60.0

    @property
    def brisk_seconds(self) -> float:
        """A turn of what answers in milliseconds: as many answers in half of the time."""
        return self.seconds / 2


FULL = Options()
QUICK = replace(
    FULL,
    kind="quick",
    rounds=2,
    seconds=0.8,
    past=2_000,
    transfers=300,
    wallets=200,
    starts=1,
    kills=1,
    batch=600,
    proven=20_000,
    overload_seconds=5.0,
)
# What the marks of memory and history are set for.
SOAK_TRANSFERS = 50_000
PAST_OF_THE_MARK = 1_000_000
