"""Scripts and styles as `make build` made them: each under a name with its digest."""

import json
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from kench.pool.errors import KenchError

ASSETS_PATH = "/static"
FOLDER = Path(__file__).parent / "static"
MANIFEST = "manifest.json"
FOREVER = "public, max-age=31536000, immutable"


class AssetsMissingError(KenchError):
    """What `make build` makes for browsers is not there."""


class Assets:
    """Which file has what name now."""

    def __init__(self, names: Mapping[str, str], folder: Path = FOLDER) -> None:
        self._names = names
        self.folder = folder

    @property
    def built(self) -> bool:
        """Whether there are any: without `make build` there are none."""
        return bool(self._names)

    def url(self, name: str) -> str:
        """Return the address of an asset by its plain name, such as `style.css`."""
        return f"{ASSETS_PATH}/{self._names.get(name, name)}"

    def has(self, file: str) -> bool:
        """Whether a file is one of them."""
        return file in self._names.values()


def read_assets(folder: Path = FOLDER) -> Assets:
    """Return the assets that were built into a folder."""
    path = folder / MANIFEST
    names: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return Assets(names, folder)


def check_assets(assets: Assets) -> None:
    """See that they were built; raises AssetsMissingError."""
    if not assets.built:
        raise AssetsMissingError(
            f"the pages have neither style nor scripts in {assets.folder}: run `make build`"
        )


class AssetFiles(StaticFiles):
    """The files themselves; browsers keep them, since another content has another name."""

    def __init__(self, assets: Assets) -> None:
        super().__init__(directory=assets.folder, check_dir=False)
        self._assets = assets

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer one request."""
        response = await super().get_response(path, scope)
        if response.status_code in {200, 304} and self._assets.has(path):
            response.headers["Cache-Control"] = FOREVER
        return response
