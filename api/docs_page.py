"""``/docs``: Swagger UI from a package, so that the page needs nobody but this API."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

PATH = "/docs"

# Scripts and styles of this origin only: a page that shows tokens runs nothing it did not bring.
# ``data:`` is for the icons inside the style sheet.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Relative addresses: the page works behind a proxy's prefix as well.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PayFlow API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  validatorUrl: null,
});
"""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> Response:
    """Lead a browser that knows only the host to the page."""
    return RedirectResponse(PATH.removeprefix("/"), 307)


@router.get(PATH)
async def page() -> Response:
    """The page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get(f"{PATH}/start.js")
async def start() -> Response:
    """What starts Swagger UI; a file of its own, because the policy lets no inline script run."""
    return Response(_START, media_type="text/javascript")


def _serve(name: str, media_type: str) -> None:
    file = Path(str(files("fastapi_swagger.resources") / name))

    async def asset() -> Response:
        return FileResponse(file, media_type=media_type)

    router.add_api_route(f"{PATH}/{name}", asset)


for _name, _media_type in _ASSETS.items():
    _serve(_name, _media_type)
