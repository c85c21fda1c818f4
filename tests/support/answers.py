"""What a template's reading asks of a node's answer."""

from typing import Any

from kench.pool.template_json import TemplateAnswer, TransactionAnswer

RESULT_KEYS = sorted(TemplateAnswer.__annotations__)
TRANSACTION_KEYS = sorted(TransactionAnswer.__annotations__)


def asked_of(answer: Any) -> Any:
    """Return of an answer that was read, in whatever way, what is asked for, in one order."""
    if not isinstance(answer, dict):
        return answer
    kept = {key: answer[key] for key in ("result", "error") if key in answer}
    if isinstance(result := kept.get("result"), dict):
        kept["result"] = {key: result[key] for key in RESULT_KEYS if key in result}
        if isinstance(entries := kept["result"].get("transactions"), list):
            kept["result"]["transactions"] = [_asked_of_transaction(entry) for entry in entries]
    return kept


def _asked_of_transaction(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {key: entry[key] for key in TRANSACTION_KEYS if key in entry}
