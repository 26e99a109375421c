"""``/docs`` needs nobody but this API: every asset it names is the API's own."""

import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from api.docs_page import CONTENT_SECURITY_POLICY
from cli.stack import EmbeddedStack
from tests.e2e.bank import Bank

NAMED = re.compile(r'(?:src|href)="([^"]+)"')
IMPORTED = re.compile(r"url\(\s*[\"']?(?!data:)([^\"')]+)")


@pytest.fixture
def stack(pair: EmbeddedStack) -> EmbeddedStack:
    return pair


async def test_every_asset_of_the_page_comes_from_the_api(bank: Bank) -> None:
    page = await bank.ask("GET", "/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")

    names = NAMED.findall(page.text)
    assets = [await bank.ask("GET", urljoin("/docs", name)) for name in names]

    assert len(names) == 4
    assert all(not urlsplit(name).netloc for name in names)
    assert [asset.status_code for asset in assets] == [200] * len(names)
    styles = [a for a in assets if a.headers["content-type"].startswith("text/css")]
    scripts = [a for a in assets if a.headers["content-type"].startswith("text/javascript")]
    assert (len(styles), len(scripts)) == (1, 2)
    assert not IMPORTED.findall(styles[0].text)
    assert len(scripts[0].content) > 1_000_000
    assert "SwaggerUIBundle" in scripts[0].text


async def test_root_redirects_to_the_page(bank: Bank) -> None:
    answer = await bank.ask("GET", "/")

    assert (answer.status_code, urljoin("/", answer.headers["location"])) == (307, "/docs")


async def test_the_page_starts_with_the_document_of_this_api(bank: Bank) -> None:
    start = await bank.ask("GET", "/docs/start.js")
    (address,) = re.findall(r'url: "([^"]+)"', start.text)
    document = await bank.ask("GET", urljoin("/docs", address))

    assert document.json()["openapi"].startswith("3.1")


async def test_the_policy_lets_nothing_of_others_and_nothing_inline_run(bank: Bank) -> None:
    page = await bank.ask("GET", "/docs")
    policy = page.headers["content-security-policy"]

    assert policy == CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page.text)


async def test_there_is_nothing_else_below_the_page(bank: Bank) -> None:
    def code(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["code"]

    for path in ("/docs/oauth2-redirect", "/docs/main.py", "/docs/../main.py", "/redoc"):
        assert code(await bank.ask("GET", path)) == (404, "route_not_found"), path
