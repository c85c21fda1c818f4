"""The page about the settings says what the settings are."""

from pathlib import Path

from kench.pool.secret_sources import variable_of
from kench.pool.settings import Settings
from kench.pool.settings_doc import render
from kench.pool.settings_file import OTHER_VARIABLES

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_what_the_settings_render() -> None:
    assert PAGE.read_text() == render(), "run: python -m kench.pool.settings_doc > docs/settings.md"


def test_every_setting_and_every_other_variable_is_on_the_page() -> None:
    page = PAGE.read_text()
    names = {variable_of(name) for name in Settings.model_fields} | OTHER_VARIABLES
    assert not [name for name in sorted(names) if name not in page]
