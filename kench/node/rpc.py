"""JSON-RPC as Core answers it: requests of 1.0, 1.1 and 2.0, batches, error codes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kench.node.kernel import KernelFaultError, StoppingError

JSON_TYPES = {str: "string", int: "number", bool: "bool", dict: "object", list: "array"}


class Code(IntEnum):
    """Error codes of Core's RPC that the node uses."""

    MISC = -1
    TYPE = -3
    INVALID_ADDRESS_OR_KEY = -5
    INVALID_PARAMETER = -8
    NOT_CONNECTED = -9
    DESERIALIZATION = -22
    VERIFY = -25
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    PARSE = -32700


class RpcError(Exception):
    """An error that goes to the caller."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def as_json(self) -> dict[str, Any]:
        """Error object of a reply."""
        return {"code": int(self.code), "message": self.message}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method; `kinds` are the JSON types it may have."""

    name: str
    kinds: tuple[type, ...]
    required: bool = True
    default: Any = None


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the node."""

    call: Callable[..., Any]
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What HTTP carries back; `body` None is a reply without content."""

    status: int
    body: Any


class Dispatcher:
    """Runs requests against a table of methods."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods

    def reply(self, body: bytes) -> Reply:
        """Answer the body of one HTTP request."""
        try:
            request = json.loads(body)
        except ValueError:
            return _failure(RpcError(Code.PARSE, "Parse error"), None)
        if isinstance(request, dict):
            return self._reply_to_one(request)
        if isinstance(request, list):
            return self._reply_to_batch(request)
        return _failure(RpcError(Code.PARSE, "Top-level object parse error"), None)

    def _reply_to_one(self, request: dict[str, Any]) -> Reply:
        try:
            version_2 = _is_version_2(request)
            answer = self._answer(request)
        except RpcError as error:
            if _claims_version_2(request) and "method" in request:
                return _reply(request, {"jsonrpc": "2.0", "error": error.as_json()})
            return _failure(error, request)
        if not version_2:
            return Reply(200, {"result": answer, "error": None, "id": request.get("id")})
        return _reply(request, {"jsonrpc": "2.0", "result": answer})

    def _reply_to_batch(self, requests: list[Any]) -> Reply:
        replies = []
        for request in requests:
            one = (
                self._reply_to_one(request)
                if isinstance(request, dict)
                else _failure(RpcError(Code.INVALID_REQUEST, "Invalid Request object"), None)
            )
            if one.body is not None:
                replies.append(one.body)
        return Reply(204, None) if requests and not replies else Reply(200, replies)

    def _answer(self, request: dict[str, Any]) -> Any:
        name = request.get("method")
        if name is None:
            raise RpcError(Code.INVALID_REQUEST, "Missing method")
        if not isinstance(name, str):
            raise RpcError(Code.INVALID_REQUEST, "Method must be a string")
        given = request.get("params")
        if given is None:
            given = []
        if not isinstance(given, list | dict):
            raise RpcError(Code.INVALID_REQUEST, "Params must be an array or object")
        method = self._methods.get(name)
        if method is None:
            raise RpcError(Code.METHOD_NOT_FOUND, "Method not found")
        try:
            return method.call(*_arguments(name, method, given))
        except StoppingError:
            raise RpcError(Code.NOT_CONNECTED, "Shutting down") from None
        except KernelFaultError as fault:
            raise RpcError(Code.VERIFY, str(fault)) from fault


def _arguments(name: str, method: Method, given: list[Any] | dict[str, Any]) -> list[Any]:
    """Values of a method's parameters in their order, checked as Core checks them."""
    parameters = method.parameters
    if isinstance(given, dict):
        names = [parameter.name for parameter in parameters]
        for key in given:
            if key not in names:
                raise RpcError(Code.INVALID_PARAMETER, f"Unknown named parameter {key}")
        given = [given.get(key) for key in names]
    usage = " ".join(
        parameter.name if parameter.required else f"( {parameter.name} )"
        for parameter in parameters
    )
    if len(given) > len(parameters):
        raise RpcError(Code.MISC, f"{name} {usage}".strip())
    values = []
    wrong = {}
    for i, parameter in enumerate(parameters):
        value = given[i] if i < len(given) else None
        if value is None:
            if parameter.required:
                raise RpcError(Code.MISC, f"{name} {usage}".strip())
            value = parameter.default
        elif type(value) not in parameter.kinds:
            wrong[f"Position {i + 1} ({parameter.name})"] = (
                f"JSON value of type {_json_type(value)} is not of expected type "
                f"{JSON_TYPES[parameter.kinds[0]]}"
            )
        values.append(value)
    if wrong:
        raise RpcError(Code.TYPE, f"Wrong type passed:\n{json.dumps(wrong, indent=4)}")
    return values


def _json_type(value: object) -> str:
    return "null" if value is None else JSON_TYPES.get(type(value), "number")


def _claims_version_2(request: dict[str, Any]) -> bool:
    return request.get("jsonrpc") == "2.0"


def _is_version_2(request: dict[str, Any]) -> bool:
    version = request.get("jsonrpc")
    if version is not None and not isinstance(version, str):
        raise RpcError(Code.INVALID_REQUEST, "jsonrpc field must be a string")
    if version not in (None, "1.0", "2.0"):
        raise RpcError(Code.INVALID_REQUEST, "JSON-RPC version not supported")
    return version == "2.0"


def _reply(request: dict[str, Any], body: dict[str, Any]) -> Reply:
    """Reply of version 2.0: a request without an id is a notification and gets none."""
    if "id" not in request:
        return Reply(204, None)
    return Reply(200, {**body, "id": request["id"]})


def _failure(error: RpcError, request: dict[str, Any] | None) -> Reply:
    """Reply to a failed request of version 1, or to one whose version is unknown."""
    status = {Code.INVALID_REQUEST: 400, Code.METHOD_NOT_FOUND: 404}.get(error.code, 500)
    body: dict[str, Any] = {"result": None, "error": error.as_json()}
    body["id"] = None if request is None else request.get("id")
    return Reply(status, body)
