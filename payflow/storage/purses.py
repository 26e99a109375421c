"""What never changes of the wallets this process met last: a transfer needs no read for them."""

from collections.abc import Iterable

from payflow.storage.drawing import Purse
from payflow.storage.transactions import Collection

MOST = 10_000  # some 3 MB
_FIELDS = {"owner_id": 1, "currency": 1}


class Purses:
    """Owner and currency by wallet, from memory or in one round trip."""

    def __init__(self, wallets: Collection) -> None:
        self._wallets = wallets
        self._kept: dict[str, Purse] = {}

    async def of(self, wallet_ids: Iterable[str]) -> dict[str, Purse]:
        """Those of the wallets that exist."""
        wanted = list(wallet_ids)
        unknown = [one for one in wanted if one not in self._kept]
        if unknown:
            found = self._wallets.find({"_id": {"$in": unknown}}, _FIELDS)
            async for fields in found:
                self.keep(Purse(fields["_id"], fields["owner_id"], fields["currency"]))
        return {one: self._kept[one] for one in wanted if one in self._kept}

    def keep(self, purse: Purse) -> None:
        """Remember a wallet that is in the books: one not yet committed may never be."""
        while len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[purse.id] = purse
