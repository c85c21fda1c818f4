"""The local provider: rules, memory, and its process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from kench.pool.secret_sources import tell_secret
from kench.screening import provider as provider_module
from kench.screening.provider import LocalProvider, Rule, RulesFileError, read_rules


def test_the_first_rule_that_fits_counts() -> None:
    rules = [Rule(txid="ab", score="0.9"), Rule(address="x", score="0.8"), Rule(score="0.7")]
    provider = LocalProvider(rules)
    scores = [
        provider.register(f"{txid}:0", txid, address)[1].score
        for txid, address in (("abcd", "x"), ("cd", "x"), ("cd1", "y"))
    ]
    assert scores == ["0.9", "0.8", "0.7"]
    provider.set_rules([])
    assert provider.register("ef:0", "ef", "z")[1].score == provider_module.CLEAN_SCORE


def test_an_unknown_check_is_none() -> None:
    assert LocalProvider().poll("0" * 32) is None


def test_the_oldest_check_is_forgotten_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provider_module, "CHECKS_MAX", 2)
    provider = LocalProvider()
    ids = [provider.register(name, name, "x")[0] for name in ("a:0", "b:0", "c:0")]
    assert [provider.poll(id_) is not None for id_ in ids] == [False, True, True]


def test_rules_are_read_from_a_file_and_a_bad_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps([{"address": "a", "behaviour": "null_score", "alerts": ["x"]}]))
    (rule,) = read_rules(path)
    assert (rule.address, rule.behaviour, rule.alerts) == ("a", "null_score", ("x",))
    for bad in ("{}", "[1]", '[{"colour": "red"}]', '[{"behaviour": "x"}]', "x"):
        path.write_text(bad)
        with pytest.raises(RulesFileError):
            read_rules(path)


def test_its_process_serves_and_ends(tmp_path: Path) -> None:
    named = {**os.environ, "KENCH_SCREENING_KEY_ID": "k", "PYTHONWARNINGS": "error"}
    environment = tell_secret(named, tmp_path, "screening_secret", "s")
    with subprocess.Popen(
        [sys.executable, "-m", "kench", "screening", "--port", "0"],
        env=environment, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert process.stdout.readline() == "kench screening: ready\n"
            assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"serves": True}
            assert httpx.get(f"{url}/v1/transfers/x", trust_env=False).status_code == 401
        finally:
            process.terminate()
            assert process.wait(20) in {0, -15}


def test_without_a_key_it_does_not_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kench", "screening"], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "KENCH_SCREENING_KEY_ID" in done.stderr
