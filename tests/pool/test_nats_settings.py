"""Settings of the cluster: never in the clear off this machine, never with a password in a URL."""

import pytest
from pydantic import ValidationError

from kench.pool.nats_settings import NatsSettings


def test_several_servers_may_be_given_in_one_string() -> None:
    settings = NatsSettings.model_validate({"nats_urls": "nats://127.0.0.1:1 nats://[::1]:2"})
    assert settings.nats_urls == ("nats://127.0.0.1:1", "nats://[::1]:2")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nats://10.0.0.1:4222", "use tls"),
        ("tls://10.0.0.1:4222", "needs nats_certificate"),
        ("nats://user:word@127.0.0.1:4222", "without a user"),
        ("http://127.0.0.1:4222", "must look like"),
    ],
)
def test_what_is_not_safe_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        NatsSettings.model_validate({"nats_urls": url})
