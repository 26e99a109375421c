"""People and their password hashes, in ``users``."""

from dataclasses import replace
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.errors import EmailTaken, NotFound
from payflow.domain.identifiers import Prefix
from payflow.domain.observing import UNOBSERVED, Observer, WalletAct
from payflow.domain.ports import Clock, NewUser
from payflow.domain.repair_ports import OperatorAct
from payflow.domain.users import Role, User
from payflow.domain.wallets import Wallet
from payflow.storage.audit import MongoAuditLog
from payflow.storage.documents import UserDocument, WalletDocument
from payflow.storage.identity import new_id
from payflow.storage.mapping import from_wallet
from payflow.storage.reading import Fields, read_from
from payflow.storage.transactions import Client, in_transaction, translated
from payflow.storage.wallets import new_wallet
from payflow.storage.webhook_documents import WebhookEndpointDocument


class MongoAccounts:
    """The ``Accounts`` port over the Beanie documents."""

    def __init__(
        self, client: Client, clock: Clock, audit: MongoAuditLog, observer: Observer = UNOBSERVED
    ) -> None:
        self._client = client
        self._audit = audit
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
            role=Role.USER,
            active=True,
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
        return to_user(_as_stored(user)), wallet

    async def create_operator(
        self, *, email: str, password_hash: str, name: str, act: OperatorAct
    ) -> User:
        """An operator (no wallet), or ``EmailTaken``."""
        now = self._clock.now()
        user = UserDocument(
            id=new_id(Prefix.USER, now),
            email=email,
            name=name,
            role=Role.OPERATOR,
            active=True,
            password_hash=password_hash,
            created_at=now,
        )

        async def write(session: AsyncClientSession) -> None:
            await user.insert(session=session)
            await self._audit.write(replace(act, subject_id=user.id), session)

        try:
            await self._audit.in_transaction(act, write)
        except DuplicateKeyError:
            raise EmailTaken from None
        return to_user(_as_stored(user))

    async def set_role(self, user_id: str, role: Role, act: OperatorAct) -> User:
        """Make the user an operator, or no longer one, or ``NotFound``."""

        async def write(session: AsyncClientSession) -> None:
            other = {"_id": user_id, "role": {"$ne": role.value}}
            found = await UserDocument.get_pymongo_collection().update_one(
                other, {"$set": {"role": role.value}}, session=session
            )
            if found.matched_count:
                await self._audit.write(act, session)

        await self._audit.in_transaction(act, write)
        return await self.get(user_id)

    async def get(self, user_id: str) -> User:
        """The user, or ``NotFound``."""
        return to_user(await self._document(user_id))

    async def find_by_email(self, email: str) -> User | None:
        """The user with that (lower-case) address."""
        with translated():
            found = await UserDocument.get_pymongo_collection().find_one({"email": email})
        return to_user(found) if found else None

    async def password_hash(self, user_id: str) -> str:
        """The stored hash, or ``NotFound``."""
        return _password_hash(await self._document(user_id))

    async def set_password_hash(self, user_id: str, password_hash: str) -> None:
        """Replace the stored hash, or ``NotFound``."""
        await self._change(user_id, {"password_hash": password_hash})

    async def update_profile(self, user_id: str, changes: dict[str, str | None]) -> User:
        """Set ``name`` and/or ``phone``, or ``NotFound``; no change reads the user."""
        return await self._change(user_id, dict(changes)) if changes else await self.get(user_id)

    async def set_active(self, user_id: str, active: bool) -> User:
        """Deactivate or reactivate, or ``NotFound``; their webhooks wait meanwhile."""

        async def write(session: AsyncClientSession) -> int:
            users = UserDocument.get_pymongo_collection()
            endpoints = WebhookEndpointDocument.get_pymongo_collection()
            found = await users.update_one(
                {"_id": user_id}, {"$set": {"active": active}}, session=session
            )
            await endpoints.update_many(
                {"owner_id": user_id}, {"$set": {"owner_away": not active}}, session=session
            )
            return found.matched_count

        if not await in_transaction(self._client, write):
            raise NotFound("user", user_id)
        return await self.get(user_id)

    async def _document(self, user_id: str) -> Fields:
        with translated():
            users = UserDocument.get_pymongo_collection()
            found: Fields | None = await users.find_one({"_id": user_id})
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


@read_from(UserDocument)
def to_user(fields: Fields) -> User:
    """A ``users`` document as the domain knows it."""
    return User(
        id=fields["_id"],
        email=fields["email"],
        name=fields["name"],
        created_at=fields["created_at"],
        phone=fields.get("phone"),
        role=Role(fields["role"]),
        active=fields["active"],
    )


@read_from(UserDocument)
def _password_hash(fields: Fields) -> str:
    return str(fields["password_hash"])


def _as_stored(user: UserDocument) -> Fields:
    return {**user.model_dump(exclude={"id"}), "_id": user.id, "role": user.role.value}
