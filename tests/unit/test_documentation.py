"""The documentation's examples are requests and answers the code itself takes."""

import inspect

import pytest
from pydantic import BaseModel

from api.v1 import answers, examples, repair_schemas, schemas, webhook_schemas
from api.v1.fields import Body
from payflow.domain.identifiers import Prefix, is_id


def models_of(module: object, base: type[BaseModel]) -> list[type[BaseModel]]:
    return [
        thing
        for _, thing in inspect.getmembers(module, inspect.isclass)
        if issubclass(thing, base) and (thing.model_config.get("json_schema_extra"))
    ]


@pytest.mark.parametrize(
    "model",
    [
        *models_of(schemas, Body),
        *models_of(answers, BaseModel),
        *models_of(webhook_schemas, BaseModel),
        *models_of(repair_schemas, BaseModel),
    ],
    ids=lambda m: m.__name__,
)
def test_an_example_is_valid(model: type[BaseModel]) -> None:
    extra = model.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    shown = extra["examples"]
    assert isinstance(shown, list)
    for example in shown:
        assert model.model_validate(example)


def test_the_ids_of_the_examples_are_well_formed() -> None:
    assert is_id(examples.ALICE_ID, Prefix.USER)
    assert is_id(examples.ALICE_WALLET_ID, Prefix.WALLET)
    assert is_id(examples.BOB_WALLET_ID, Prefix.WALLET)
    assert is_id(examples.TRANSFER_ID, Prefix.TRANSFER)
    assert is_id(examples.ENDPOINT_ID, Prefix.ENDPOINT)
    assert is_id(examples.DELIVERY_ID, Prefix.DELIVERY)
    assert len(examples.REFRESH_TOKEN) == len("pfr_") + 43
