"""Who asks for a picture gets one; everybody else gets JSON."""

import pytest

from api.v1.timeline import prefers_picture


@pytest.mark.parametrize(
    "accept",
    [
        "image/svg+xml",
        "IMAGE/SVG+XML",
        "image/*",
        "application/json;q=0.5, image/svg+xml;q=0.9",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        "image/svg+xml, */*",
    ],
)
def test_a_picture_is_asked_for(accept: str) -> None:
    assert prefers_picture(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, image/svg+xml",
        "image/svg+xml;q=0",
        "image/svg+xml;q=0.2, application/json",
        "image/svg+xml;q=much, */*",
        "image/png",
        ",;q=,/",
    ],
)
def test_json_is_answered(accept: str) -> None:
    assert not prefers_picture(accept)
