"""People and their password hashes, in ``users``."""

from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.errors import EmailTaken, NotFound
from payflow.domain.identifiers import Prefix
from payflow.domain.observing import UNOBSERVED, Observer, WalletAct
from payflow.domain.ports import Clock, NewUser
from payflow.domain.users import Role, User
from payflow.domain.wallets import Wallet
from payflow.storage.documents import UserDocument, WalletDocument
from payflow.storage.identity import new_id
from payflow.storage.mapping import from_wallet
from payflow.storage.transactions import Client, in_transaction, translated
from payflow.storage.wallets import new_wallet


class MongoAccounts:
    """The ``Accounts`` port over the Beanie documents."""

    def __init__(self, client: Client, clock: Clock, observer: Observer = UNOBSERVED) -> None:
        self._client = client
        self._observer = observer
        self._clock = clock

    async def register(self, new: NewUser, currency: str) -> tuple[User, Wallet]:
        """The user and a first wallet, in one transaction, or ``EmailTaken`` and nothing."""
        now = self._clock.now()
        user = UserDocument(
            id=new_id(Prefix.USER, now),
            email=new.email,
            name=new.name,
            phone=new.phone,
            password_hash=new.password_hash,
            created_at=now,
        )
        wallet = new_wallet(user.id, currency, None, self._clock)

        async def write(session: AsyncClientSession) -> None:
            await user.insert(session=session)
            await WalletDocument.get_pymongo_collection().insert_one(
                from_wallet(wallet), session=session
            )

        try:
            await in_transaction(self._client, write)
        except DuplicateKeyError:
            raise EmailTaken from None
        self._observer.wallet_changed(WalletAct.OPENED)
        return _user(user), wallet

    async def create_operator(self, *, email: str, password_hash: str, name: str) -> User:
        """An operator (no wallet), or ``EmailTaken``."""
        now = self._clock.now()
        user = UserDocument(
            id=new_id(Prefix.USER, now),
            email=email,
            name=name,
            role=Role.OPERATOR,
            password_hash=password_hash,
            created_at=now,
        )
        try:
            with translated():
                await user.insert()
        except DuplicateKeyError:
            raise EmailTaken from None
        return _user(user)

    async def promote(self, email: str) -> User:
        """Make the user of that address an operator, or ``NotFound``."""
        user = await self.find_by_email(email)
        if user is None:
            raise NotFound("user", email)
        return await self._change(user.id, {"role": Role.OPERATOR.value})

    async def get(self, user_id: str) -> User:
        """The user, or ``NotFound``."""
        return _user(await self._document(user_id))

    async def find_by_email(self, email: str) -> User | None:
        """The user with that (lower-case) address."""
        with translated():
            found = await UserDocument.find_one({"email": email})
        return _user(found) if found else None

    async def password_hash(self, user_id: str) -> str:
        """The stored hash, or ``NotFound``."""
        return (await self._document(user_id)).password_hash

    async def set_password_hash(self, user_id: str, password_hash: str) -> None:
        """Replace the stored hash, or ``NotFound``."""
        await self._change(user_id, {"password_hash": password_hash})

    async def update_profile(self, user_id: str, changes: dict[str, str | None]) -> User:
        """Set ``name`` and/or ``phone``, or ``NotFound``; no change reads the user."""
        return await self._change(user_id, dict(changes)) if changes else await self.get(user_id)

    async def set_active(self, user_id: str, active: bool) -> User:
        """Deactivate or reactivate, or ``NotFound``."""
        return await self._change(user_id, {"active": active})

    async def _document(self, user_id: str) -> UserDocument:
        with translated():
            found = await UserDocument.get(user_id)
        if found is None:
            raise NotFound("user", user_id)
        return found

    async def _change(self, user_id: str, fields: dict[str, Any]) -> User:
        with translated():
            result = await UserDocument.get_pymongo_collection().update_one(
                {"_id": user_id}, {"$set": fields}
            )
        if not result.matched_count:
            raise NotFound("user", user_id)
        return await self.get(user_id)


def _user(document: UserDocument) -> User:
    return User(
        id=document.id,
        email=document.email,
        name=document.name,
        created_at=document.created_at,
        phone=document.phone,
        role=document.role,
        active=document.active,
    )
