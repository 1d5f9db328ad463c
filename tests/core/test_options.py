"""Options of a place's own go where the place reads them, and nowhere else."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from pydantic import SecretStr

from shared_core import CATALOG, AuthenticationError, ChatRequest, ConfigurationError, EmbedRequest, Message, connect
from tests.halves import Half
from tests.raw_server import Received, Step, completion, serving, whole

HI = ChatRequest(messages=(Message(role="user", content="Hi"),))


def test_they_go_into_the_body_of_every_call(half: Half) -> None:
    with serving(lambda _: [whole({**completion(content="x"), "data": [{"embedding": [1.0]}]})]) as server:
        backend = connect("litellm", base_url=server.url, metadata={"team": "a"}, tags=["x", "y"])
        half.chat(backend, HI.model_copy(update={"extra": {"metadata": {"job": 1}, "cache": {"no-store": True}}}))
        half.embed(backend, EmbedRequest(texts=("a",), extra={"user": "u"}))
    chat, embed = (request.json for request in server.received)
    assert chat["metadata"] == {"team": "a", "tags": ["x", "y"], "job": 1}
    assert chat["cache"] == {"no-store": True}
    assert embed["metadata"] == {"team": "a", "tags": ["x", "y"]}
    assert embed["user"] == "u"


def test_they_go_into_headers(half: Half) -> None:
    with serving(lambda _: [whole(completion(content="x"))]) as server:
        backend = connect("openrouter", api_key="k", base_url=server.url, app_name="Mine", site_url="https://a.example")
        half.chat(backend, HI)
    assert server.received[0].headers["x-title"] == "Mine"
    assert server.received[0].headers["http-referer"] == "https://a.example"


def test_secrets_go_out_in_clear_and_other_letters_as_json_writes_them(half: Half) -> None:
    with serving(lambda _: [whole(completion(content="x"))]) as server:
        data = {"a": SecretStr("sk-1"), "b": "schlüssel"}
        half.chat(connect("llama_stack", model="m", base_url=server.url, provider_data=data), HI)
    assert json.loads(server.received[0].headers["x-ogx-provider-data"]) == {"a": "sk-1", "b": "schlüssel"}


@pytest.mark.parametrize(
    ("place", "option", "said"),
    [
        (
            "llama_stack",
            {"provider_data": {"a": object()}},
            "goes into a header as JSON: Object of type object is not JSON serializable",
        ),
        ("openrouter", {"app_name": "Café"}, "goes into a header, which takes plain ASCII only"),
        ("openrouter", {"app_name": "two\nlines"}, "goes into a header, which takes plain ASCII only"),
    ],
)
def test_what_no_header_carries_is_refused_at_once(place: str, option: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        connect(place, model="m", api_key="k", **option)


def test_what_looks_secret_is_sent_and_neither_told_nor_pickled(half: Half) -> None:
    secret = "tok-very-secret-1"

    def script(request: Received) -> list[Step]:
        return [whole({"error": {"message": f"bad {request.headers['x-my-token']}"}}, 401)]

    with serving(script) as server:
        metadata = {"team": "a", "vendor_api_key": secret}
        headers = {"X-My-Token": secret, "X-Team": "a"}
        backend = connect("litellm", base_url=server.url, metadata=metadata, default_headers=headers, max_retries=0)
        with pytest.raises(AuthenticationError) as caught:
            half.chat(backend, HI)
    assert server.received[0].json["metadata"] == metadata
    assert secret not in f"{caught.value} {caught.value.response}"
    copied = pickle.dumps(backend)
    assert secret.encode() not in copied
    assert b"X-Team" in copied


def test_headers_of_the_callers_own_win() -> None:
    with serving(lambda _: [whole(completion(content="x"))]) as server:
        own = {"X-Title": "Other"}
        connect("openrouter", api_key="k", base_url=server.url, app_name="Mine", default_headers=own).chat(HI)
    assert server.received[0].headers["x-title"] == "Other"


def test_they_go_into_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    backend: Any = connect("bedrock", api_key="k", region="eu-west-1")
    assert backend.base_url == "https://bedrock-mantle.eu-west-1.api.aws/v1"


def test_bedrocks_other_endpoint_has_ids_of_its_own() -> None:
    runtime = "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1"
    assert connect("bedrock", api_key="k", model="gpt-oss-120b", base_url=runtime).model == "openai.gpt-oss-120b-1:0"
    mantle = connect("bedrock", api_key="k", model="gpt-oss-120b")
    assert mantle.model == "openai.gpt-oss-120b"
    assert mantle.with_model("gpt-oss-20b").model == "openai.gpt-oss-20b"
    assert mantle.capabilities.context_window == 131072


def test_a_place_without_them_says_what_it_takes() -> None:
    with pytest.raises(ConfigurationError, match=r"groq takes no option named region\. It takes: api_key"):
        connect("groq", api_key="k", region="x")
    with pytest.raises(ConfigurationError, match="and of its own: metadata, tags"):
        connect("litellm", region="x")


def test_every_option_goes_somewhere() -> None:
    for place in CATALOG.values():
        for name, option in place.options.items():
            assert option.body or option.headers or option.url, (place.name, name)
