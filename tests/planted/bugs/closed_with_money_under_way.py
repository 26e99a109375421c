"""A wallet is closed although money of it may still come back."""

import payflow.storage.wallets
from payflow.domain import wallets
from payflow.domain.wallets import Wallet
from tests.planted.planting import Reach, replace_in

REACH = Reach.UNIT
CAUGHT_BY = (
    "tests/unit/test_money_and_wallets.py::"
    "test_a_wallet_with_money_or_with_money_under_way_stays_open",
)
_closed = wallets.closed


def _in_haste(wallet: Wallet, *, open_transfers: int) -> Wallet:
    return _closed(wallet, open_transfers=0)


def plant() -> None:
    replace_in("closed", _in_haste, wallets, payflow.storage.wallets)
