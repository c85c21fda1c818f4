"""Settings of the hand-over: what would serve strangers, or serve nobody, is refused."""

from typing import Any

import pytest

from kench.pool.settings import Settings
from kench.pool.settings_file import SettingsError, read_settings

FILES = {"tax_certificate": "a.pem", "tax_key": "a.key", "tax_client_ca": "ss.pem"}
PUSH = {
    "tax_push_url": "https://ss.example", "tax_push_service": "KG/GOV/1/taxes/income",
    "tax_push_client": "KG/GOV/2/mining",
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"tax_host": "0.0.0.0"}, "tax_certificate"),
        ({"tax_certificate": "a.pem"}, "go together"),
        ({"tax_push_url": "https://ss.example"}, "go together"),
        (PUSH | {"tax_push_url": "http://ss.example"}, "https"),
        (PUSH | {"tax_push_service": "KG/GOV/1/taxes"}, "5 parts"),
        (PUSH | {"tax_push_client": "KG"}, "parts"),
        ({"tax_clients": '[{"client": "KG", "may": ["periods"]}]'}, "parts"),
        ({"tax_clients": '[{"client": "KG/GOV/1/a", "may": []}]'}, "entry 1, may"),
        ({"tax_clients": '[{"client": "KG/GOV/1/a", "may": ["all"]}]'}, "entry 1, may"),
        ({"tax_clients": '[{"client": "KG/GOV/1/a", "may": ["periods"]}, '
          '{"client": "KG/GOV/1/%61", "may": ["periods"]}]'}, "twice"),
        ({"tax_log_d": 29}, "tax_log_d"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        read_settings(**given)


def test_the_security_server_is_served_at_any_address_by_its_certificate() -> None:
    made = read_settings(tax_host="0.0.0.0", **FILES, **PUSH)
    assert isinstance(made, Settings)
    assert made.tax_client_ca is not None
