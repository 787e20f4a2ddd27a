"""A served model answers as the model itself does, over the completions protocol, whatever the server can or cannot do."""

from __future__ import annotations

import functools
import json
import random
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly, ModelUnusable, NoVerdict
from scrubber.core.model import served, served_bytes, served_http
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.model.remembering import Remembering
from scrubber.core.model.served import connect
from scrubber.core.types import Model, Sample, Span
from scrubber.evaluation.probes import prefix, recall

DEMO = Path(served.__file__).parents[2] / "data" / "demo_model"
PROMPTS = ("def add(left, right):", "for name in sorted(", "class Client:\n", "key = read_key('", "x")
LIMITS = (6, 6, 9, 0, 6)


class Served(ThreadingHTTPServer):
    """A real model behind the protocol. ``lists``: several prompts a request; ``echoes``: log-probabilities of a prompt."""

    daemon_threads = True

    def __init__(self, model: CausalModel, *, lists: bool, echoes: bool, faults: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.lists, self.echoes, self.faults = model, lists, echoes, faults
        self.dice, self.lock = random.Random(8), threading.Lock()
        self.asked: list[dict[str, Any]] = []
        self.listed: list[dict[str, Any]] | None = [{"id": "tiny", "max_model_len": 200}]
        self.said, self.reason, self.status = "tiny", "length", 0
        self.address = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_: Any) -> None: ...

    def completed(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = body["prompt"]
        single = isinstance(asked, str) or isinstance(asked[0], int)
        prompts = [asked] if single else asked
        with self.lock, torch.inference_mode():
            choices = [{"index": i, **self.choice(prompt, body)} for i, prompt in enumerate(prompts)]
            self.dice.shuffle(choices)
        counted = sum(len(self.ids(prompt)) + 1 for prompt in prompts)  # and the token that it puts before each
        return {
            "object": "text_completion",
            "model": self.said,
            "choices": choices,
            "usage": {"prompt_tokens": counted},
        }

    def choice(self, prompt: Any, body: dict[str, Any]) -> dict[str, Any]:
        ids, limit = self.ids(prompt), body["max_tokens"]
        if not (body.get("echo") and self.echoes):
            text = self.model.generate([self.model.decode(ids)], max_new_tokens=limit)[0]
            return {"text": text, "finish_reason": self.reason}
        logs = self.model.network(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
        true = [None, *(logs[t, i].item() for t, i in enumerate(ids[1:])), logs[-1].max().item()]
        top = [None, *({"top": row.max().item()} for row in logs)]
        return {"text": "", "finish_reason": "length", "logprobs": {"token_logprobs": true, "top_logprobs": top}}

    def ids(self, prompt: Any) -> list[int]:
        return list(self.model.encode(prompt).ids) if isinstance(prompt, str) else list(prompt)


class Handler(BaseHTTPRequestHandler):
    server: Served

    def do_GET(self) -> None:
        self.answer(500 if self.server.listed is None else 200, {"data": self.server.listed})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        fault = self.server.dice.random() < self.server.faults and self.server.dice.randrange(5)
        several = isinstance(body["prompt"], list) and not isinstance(body["prompt"][0], int)
        if self.server.status or self.path != "/v1/completions":
            self.answer(self.server.status or 404, {"detail": "no"})
        elif several and not self.server.lists:
            self.answer(400, {"detail": "prompt must be a string."})
        elif fault is False:
            self.answer(200, self.server.completed(body))
        elif fault < 2:
            self.answer(503 - 74 * fault, {})  # 429
        elif fault == 2:
            self.answer(200, self.server.completed(body), cut=9)
        elif fault == 3:
            self.answer(200, {**self.server.completed(body), "choices": []})

    def answer(self, status: int, body: dict[str, Any], cut: int = 0) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(content[: len(content) - cut])

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def serving(model: CausalModel, *, lists: bool = True, echoes: bool = True, faults: float = 0.0) -> Iterator[Served]:
    server = Served(model, lists=lists, echoes=echoes, faults=faults)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def model(tiny: Callable[..., CausalModel]) -> CausalModel:
    return tiny()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_http, "_PAUSE", 0.01)


def value(seed: int, length: int = 12) -> str:
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=length))


def samples(count: int = 6) -> list[Sample]:
    made = []
    for number in range(count):
        text = f"class Client:\n    token = '{value(number)}'\n    port = 443\n"
        start = text.index("'") + 1
        made.append(Sample(f"s{number}", text, (Span(start, start + 12),), fingerprints=(f"f{number}",)))
    return made


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("faults", [0.0, 0.4])
def test_answers_are_those_of_the_model_itself(model: CausalModel, lists: bool, faults: float) -> None:
    with serving(model, lists=lists) as server:
        asked = connect(server.address, batch_size=3, concurrency=3)
        server.faults = faults
        assert isinstance(asked, Model)
        assert asked.batch_size == (3 if lists else 1)
        assert asked.longest == 200
        assert asked.capabilities == {"generate"}  # without a tokenizer
        assert asked.generate(PROMPTS, max_new_tokens=LIMITS) == model.generate(PROMPTS, max_new_tokens=LIMITS)
        assert asked.generate([], max_new_tokens=3) == []


def test_a_question_is_asked_once_with_its_own_limit_at_temperature_0(model: CausalModel) -> None:
    with serving(model) as server:
        asked = connect(server.address, batch_size=2, seed=5)
        server.asked.clear()
        asked.generate([*PROMPTS, *PROMPTS, ""], max_new_tokens=[*LIMITS, *LIMITS, 4])
    found = [(body["max_tokens"], body["prompt"]) for body in server.asked]
    assert sorted((limit, len(p) if isinstance(p, list) else 1) for limit, p in found) == [
        (4, 1),
        (6, 1),
        (6, 2),
        (9, 1),
    ]
    assert (4, "\n") in found  # servers refuse an empty one
    wanted = {"model": "tiny", "temperature": 0.0, "seed": 5, "top_p": 1.0, "frequency_penalty": 0.0}
    assert all(body.items() >= wanted.items() for body in server.asked)


def test_log_probabilities_are_those_of_the_model_itself(model: CausalModel) -> None:
    sequences = [model.encode(text).ids for text in (*PROMPTS, "def largest(numbers):\n    return max(", "")]
    with serving(model) as server:
        asked = connect(server.address, tokenizer=model.name, batch_size=3)
        assert asked.capabilities == {"generate", "logits"}
        server.faults = 0.3
        found = asked.teacher_force(sequences)
    for mine, its in zip(found, model.teacher_force(sequences), strict=True):
        assert mine.hits == its.hits
        assert mine.logprobs == pytest.approx(its.logprobs, abs=1e-4)


def test_probes_say_the_same_of_both(model: CausalModel) -> None:
    with serving(model) as server:
        asked = Remembering(connect(server.address, tokenizer=model.name))
        for probe in (prefix, recall):
            mine = probe.ask(asked, samples(), subset="found", context_tokens=16)
            its = probe.ask(model, samples(), subset="found", context_tokens=16)
            assert [(t.subject, t.prompt, t.outcome) for t in mine] == [(t.subject, t.prompt, t.outcome) for t in its]
            assert probe is recall or [t.completion for t in mine] == [t.completion for t in its]


def test_what_it_cannot_give_is_absent_and_never_made_up(model: CausalModel) -> None:
    with serving(model, echoes=False) as server:
        asked = connect(server.address, tokenizer=model.name)
        assert asked.capabilities == {"generate"}
        with pytest.raises(NoVerdict, match="log-probabilities"):
            asked.teacher_force([(1, 2)])
        with pytest.raises(NoVerdict, match="length"):
            asked.continue_tokens([(1, 2)], [3])


def test_a_prefix_probe_needs_no_tokenizer(model: CausalModel) -> None:
    with serving(model) as server:
        trials = prefix.ask(connect(server.address), samples(), subset="found", context_tokens=16)
    assert [t.prompt[-1] for t in trials] == ["'"] * 6
    assert [t.expected for t in trials] == [value(n) for n in range(6)]
    assert all(body["max_tokens"] == 12 + prefix.SLACK for body in server.asked[3:])


def test_sampled_answers_carry_temperature_and_seed(model: CausalModel) -> None:
    with serving(model) as server:
        asked = connect(server.address)
        assert len(asked.sample(PROMPTS, max_new_tokens=3, temperature=0.8, top_p=0.9, seed=11)) == len(PROMPTS)
    assert {"temperature": 0.8, "top_p": 0.9, "seed": 11}.items() <= server.asked[-1].items()


def test_another_tokenizer_is_refused(model: CausalModel, tmp_path: Path) -> None:
    with serving(model) as server:
        with pytest.raises(AskedWrongly, match="not that of the served model"):
            connect(server.address, tokenizer=str(DEMO))
        with pytest.raises(ModelUnusable, match="tokenizer cannot be loaded"):
            connect(server.address, tokenizer=str(tmp_path))


def test_a_model_is_named_where_there_are_several(model: CausalModel) -> None:
    with serving(model) as server:
        server.listed = [{"id": "tiny"}, {"id": "other"}]
        with pytest.raises(AskedWrongly, match="--served-name, one of: other, tiny"):
            connect(server.address)
        named = connect(server.address, "tiny")
        assert named.name == f"{server.address}#tiny"
        server.listed = []
        with pytest.raises(AskedWrongly, match="lists none"):
            connect(server.address)
        server.listed = None  # as transformers serve has it, where nothing was ever downloaded
        assert connect(server.address, "tiny").longest > 1 << 18


def test_a_server_without_completions_is_said_at_once(model: CausalModel) -> None:
    with serving(model) as server:
        with pytest.raises(AskedWrongly, match=r"404 Not Found.*/completions"):
            connect(server.address + "/elsewhere", "tiny")
        assert len(server.asked) == 1


def test_a_request_that_is_not_taken_ends_without_the_prompt(model: CausalModel) -> None:
    with serving(model) as server:
        asked, secret = connect(server.address), value(9, 40)
        server.status = 400
        with pytest.raises(NoVerdict, match=r"400 Bad Request.*audit.context_tokens") as caught:
            asked.generate([secret], max_new_tokens=3)
    assert secret not in str(caught.value)


def test_another_model_behind_the_same_name_ends_it(model: CausalModel) -> None:
    with serving(model) as server:
        asked = connect(server.address)
        asked.generate(PROMPTS, max_new_tokens=3)
        server.said = "tiny-v2"
        with pytest.raises(NoVerdict, match="another model"):
            asked.generate(["y"], max_new_tokens=3)


def test_a_filter_is_no_answer(model: CausalModel) -> None:
    with serving(model) as server:
        asked = connect(server.address)
        server.reason = "content_filter"
        with pytest.raises(NoVerdict, match="keeps answers back"):
            asked.generate(PROMPTS, max_new_tokens=3)


def test_an_answer_that_was_aborted_is_asked_again(model: CausalModel) -> None:
    with serving(model) as server:
        asked = connect(server.address, patience=20)
        server.reason = "abort"
        threading.Timer(0.3, lambda: setattr(server, "reason", "stop")).start()
        assert asked.generate(PROMPTS, max_new_tokens=3) == model.generate(PROMPTS, max_new_tokens=3)


@given(st.text())
def test_bytes_are_the_text(text: str) -> None:
    coded = served_bytes.encode(text)
    assert served_bytes.decode(coded.ids) == text
    assert "".join(text[a:b] for a, b in dict.fromkeys(coded.offsets)) == text
    assert len(coded.ids) == len(coded.offsets)


def test_half_a_character_is_no_error() -> None:
    assert served_bytes.decode(served_bytes.encode("aé").ids[:2]) == "a\ufffd"


@given(st.text(string.printable + "äß€中😀", min_size=1))
def test_a_value_has_no_more_tokens_than_bytes(text: str) -> None:
    assert len(served_bytes.encode(text).ids) >= len(tokenizer()(text)["input_ids"])


@functools.cache
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(DEMO)


@pytest.mark.slow
def test_an_audit_through_a_server_is_the_audit_of_the_model(tmp_path: Path) -> None:
    from scrubber.core.fingerprint import Fingerprinter
    from scrubber.pipelines.audit import audit
    from scrubber.pipelines.config import AuditConfig
    from scrubber.pipelines.scan import default_scan, scan_corpus

    for number in range(4):
        (tmp_path / f"settings{number}.py").write_text(
            f'"""Settings."""\nimport os\n\nAPI_KEY = "{value(number, 32)}"\nPORT = 443\n'
        )
    findings = scan_corpus([tmp_path], scan=default_scan(Fingerprinter(b"k" * 32))).findings
    model = load(str(DEMO), "fp32")
    with serving(model, faults=0.1) as server:
        asked = connect(server.address, tokenizer=str(DEMO))
        mine, its = (audit(m, [tmp_path], findings, config=AuditConfig(), seed=0) for m in (asked, model))
    assert findings
    assert mine.learnt == its.learnt
    assert mine.samples == its.samples
    assert [(t.probe, t.outcome) for t in mine.trials] == [(t.probe, t.outcome) for t in its.trials]
