"""A model behind an OpenAI-compatible completions server: it generates, and gives log-probabilities where these are offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from scrubber.core.errors import AskedWrongly, ModelUnusable, NoVerdict
from scrubber.core.model import served_bytes
from scrubber.core.model.served_http import FIRST_PATIENCE, NotTaken, Server, key_of
from scrubber.core.types import Encoding, TokenScores

_PROBES = (
    "def add(left, right):\n",
    "class Client:\n    def __init__(self, host, port=443):\n        self.host = host\n",
)
_ENDINGS = ("stop", "length", None)  # anything else, such as abort, ended an answer before its time
_UNKNOWN_LENGTH = 1 << 20

Prompt = str | tuple[int, ...]
Question = tuple[Prompt, int]  # and how many new tokens at most
Read = TypeVar("Read")


class ServedModel:
    """The Model Protocol over ``/completions``; made by ``connect``, which finds out what the server can do.

    Without a tokenizer ``encode`` gives bytes for tokens (``served_bytes``), and log-probabilities, which go by token, are
    not asked for. ``capabilities`` has "logits" where ``teacher_force`` works, and never "tokens":
    nothing in this protocol keeps an answer from ending, as ``continue_tokens`` must.
    """

    precision = "served"

    def __init__(
        self, server: Server, served_name: str, *, tokenizer: Any = None, longest: int = _UNKNOWN_LENGTH,
        batch_size: int = 1, concurrency: int = 4, seed: int = 0, logits: bool = False,
    ) -> None:  # fmt: skip
        self.name = f"{server.address}#{served_name}"
        self.served_name, self.longest, self.seed = served_name, longest, seed
        self.batch_size, self.concurrency = batch_size, concurrency
        self.capabilities = frozenset({"generate", "logits"} if logits else {"generate"})
        self._server, self._tokenizer = server, tokenizer
        self._answering = ""  # the model that the server said it is

    def encode(self, text: str) -> Encoding:
        if self._tokenizer is None:
            return served_bytes.encode(text)
        coded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return Encoding(tuple(coded["input_ids"]), tuple((a, b) for a, b in coded["offset_mapping"]))

    def decode(self, ids: Sequence[int]) -> str:
        if self._tokenizer is None:
            return served_bytes.decode(ids)
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int]) -> list[str]:
        """Continuations at temperature 0. An empty prompt, which servers refuse, is asked as the end of a line."""
        limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else max_new_tokens
        return self._texts(prompts, limits, temperature=0.0, top_p=1.0, seed=self.seed)

    def sample(
        self, prompts: Sequence[str], *, max_new_tokens: int, temperature: float, top_p: float, seed: int
    ) -> list[str]:
        """One drawn answer to each prompt: the same ones for the same seed as far as the server keeps to it."""
        limits = [max_new_tokens] * len(prompts)
        return self._texts(prompts, limits, temperature=temperature, top_p=top_p, seed=seed)

    def teacher_force(self, sequences: Sequence[Sequence[int]]) -> list[TokenScores]:
        """Raises NoVerdict where ``capabilities`` has no "logits"."""
        if "logits" not in self.capabilities:
            raise self._cannot("gives no log-probabilities of a prompt's tokens")
        asked: list[Question] = [(tuple(ids), 1) for ids in sequences]  # some servers refuse to generate nothing
        made = {question: TokenScores((), ()) for question in asked if len(question[0]) < 2}
        work = [question for question in asked if question not in made]
        made |= self._ask(_scored, work, echo=True, logprobs=1, temperature=0.0)
        return [made[question] for question in asked]

    def continue_tokens(self, prompts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[tuple[int, ...]]:
        """Raises NoVerdict, always."""
        raise self._cannot("does not continue to a given length")

    def _texts(self, prompts: Sequence[str], limits: Sequence[int], **settings: Any) -> list[str]:
        asked: list[Question] = list(zip((prompt or "\n" for prompt in prompts), limits, strict=True))
        made = {question: "" for question in asked if question[1] <= 0}
        work = [question for question in asked if question not in made]
        # a penalty in the model's own generation_config.json is not its choice; every server takes this one
        made |= self._ask(_text, work, frequency_penalty=0.0, **settings)
        return [made[question] for question in asked]

    def _ask(
        self, read: Callable[[Any, Prompt], Read], asked: Iterable[Question], **settings: Any
    ) -> dict[Question, Read]:
        """Each question once; those of one limit together, since a request has one."""
        by_limit: dict[int, list[Prompt]] = {}
        for prompt, limit in dict.fromkeys(asked):
            by_limit.setdefault(limit, []).append(prompt)
        size = self.batch_size
        work = [(limit, some[i : i + size]) for limit, some in by_limit.items() for i in range(0, len(some), size)]
        found = self._server.each(partial(self._request, read, settings), work, self.concurrency)
        return {
            (prompt, limit): answer
            for (limit, batch), answers in zip(work, found, strict=True)
            for prompt, answer in zip(batch, answers, strict=True)
        }

    def _request(
        self, read: Callable[[Any, Prompt], Read], settings: Mapping[str, Any], work: tuple[int, Sequence[Prompt]]
    ) -> list[Read]:
        limit, batch = work
        body = {
            "model": self.served_name, "prompt": batch[0] if len(batch) == 1 else batch, "max_tokens": limit, **settings
        }  # fmt: skip

        def answers(answer: Any) -> list[Read]:
            self._same_model(answer)
            return [read(choice, prompt) for choice, prompt in zip(_choices(answer, len(batch)), batch, strict=True)]

        try:
            return self._server.ask("/completions", body, answers)
        except NotTaken as refusal:
            raise NoVerdict(
                f"the server does not take a request ({refusal})",
                where=self.name,
                mend="Its log says why. Where a prompt is too long for it, lower audit.context_tokens.",
            ) from None

    def _same_model(self, answer: Any) -> None:
        """A server that comes back with another model would mix two models' answers in one measurement."""
        named = answer.get("model") or ""
        self._answering = self._answering or named
        if named and named != self._answering:
            raise NoVerdict(
                "another model answers than at the beginning",
                where=self.name,
                mend="Start again with a new run folder.",
            )

    def _cannot(self, what: str) -> NoVerdict:
        return NoVerdict(
            f"the server {what}", where=self.name, mend="Ask the model itself for this, from a folder of its files."
        )


def connect(
    address: str, served_name: str = "", *, key: str = "", tokenizer: str = "", batch_size: int = 16, concurrency: int = 4,
    timeout: float = 120.0, patience: float = 300.0, seed: int = 0, tell: Callable[[str], None] = lambda sentence: None,
) -> ServedModel:  # fmt: skip
    """The model ``served_name`` of the server at ``address`` (``http://HOST:PORT/v1``); the only one where none is named.

    ``tokenizer``: folder or hub id of the model's own, for exact prompts and, where the server echoes log-probabilities,
    for what is made of them. ``batch_size`` prompts a request where the server takes several, ``concurrency`` requests at
    once; the rest as in Server. Asks a few harmless lines. Raises AskedWrongly or NoVerdict for what cannot be asked,
    ModelUnusable for a tokenizer that cannot be loaded.
    """
    server = Server(address, key=key, timeout=timeout, patience=FIRST_PATIENCE, tell=tell)
    known = {} if served_name else _listed(server)
    if not served_name:
        if len(known) != 1:
            raise AskedWrongly(
                "the server's model is not named",
                where=server.address,
                mend=f"Give --served-name, one of: {_some(known)}." if known else "Give --served-name; it lists none.",
            )
        (served_name,) = known
    loaded = _tokenizer(tokenizer) if tokenizer else None
    try:
        lengths = [server.ask("/completions", _probe(served_name, text), _prompt_tokens) for text in _PROBES]
    except NotTaken as refusal:
        raise AskedWrongly(
            f"the server does not complete text with this model ({refusal})",
            where=f"{server.address}#{served_name}",
            mend="It has to offer POST /completions: a chat cannot be asked to go on with a file. "
            f"It lists these models: {_some(known or _listed_if_any(server))}.",
        ) from None
    known = known or _listed_if_any(server)
    alone = ServedModel(server, served_name, tokenizer=loaded, longest=known.get(served_name) or _UNKNOWN_LENGTH)
    if loaded is not None and all(lengths):
        own = [len(alone.encode(text).ids) for text in _PROBES]
        if own[1] - own[0] != lengths[1] - lengths[0]:  # a token that a server puts before a text does not count
            raise AskedWrongly(
                "the tokenizer is not that of the served model: it cuts the same text otherwise",
                where=tokenizer,
                mend="Give the folder or the hub id of the very model that is served, or none.",
            )
    batches = _takes(server, _probe(served_name, list(_PROBES)), lambda answer: _choices(answer, len(_PROBES)))
    if loaded is None:
        tell(
            "without the tokenizer (model.tokenizer) lengths count bytes: audit.context_tokens of 400 are about 128 tokens"
        )
    ids = () if loaded is None else alone.encode(_PROBES[1]).ids
    logits = bool(ids) and _takes(
        server, _probe(served_name, list(ids), echo=True, logprobs=1),
        lambda answer: [_scored(choice, ids) for choice in _choices(answer, 1)],
    )  # fmt: skip
    server.patience = patience
    return ServedModel(
        server, served_name, tokenizer=loaded, longest=alone.longest, batch_size=batch_size if batches else 1,
        concurrency=concurrency, seed=seed, logits=logits,
    )  # fmt: skip


def configured(settings: Any, *, seed: int = 0, tell: Callable[[str], None] = lambda sentence: None) -> ServedModel:
    """The same, as section ``model`` of a configuration says, with the key that stands in ``api_key_variable``."""
    return connect(
        settings.path, settings.served_name, key=key_of(settings.api_key_variable), tokenizer=settings.tokenizer,
        batch_size=settings.batch_size, concurrency=settings.concurrency, timeout=settings.timeout,
        patience=settings.patience, seed=seed, tell=tell,
    )  # fmt: skip


def _probe(served_name: str, prompt: Any, **settings: Any) -> dict[str, Any]:
    return {"model": served_name, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, **settings}


def _takes(server: Server, body: Mapping[str, Any], read: Callable[[Any], Any]) -> bool:
    """Whether the server takes such a request and gives the whole of what was asked for."""

    def tried(answer: Any) -> bool:
        try:
            read(answer)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return False  # a server that does not know a field passes over it
        return True

    try:
        return server.ask("/completions", body, tried)
    except (NotTaken, NoVerdict):
        return False


def _listed(server: Server) -> dict[str, int]:
    """The longest text of each model by name; 0 where the server does not say."""
    try:
        return server.ask(
            "/models", None, lambda answer: {str(m["id"]): m.get("max_model_len") or 0 for m in answer["data"]}
        )
    except NotTaken:
        return {}


def _listed_if_any(server: Server) -> dict[str, int]:
    """The same, at once or not: some servers fail there, or list other models than the one that they serve."""
    server.patience = 0.0
    try:
        return _listed(server)
    except (AskedWrongly, NoVerdict):
        return {}
    finally:
        server.patience = FIRST_PATIENCE


def _some(names: Iterable[str]) -> str:
    named = sorted(names)
    return ", ".join(named[:8]) + (", ..." if len(named) > 8 else "") or "none"


def _prompt_tokens(answer: Any) -> int:
    """0 where the server does not count them."""
    _text(_choices(answer, 1)[0], "")
    return int((answer.get("usage") or {}).get("prompt_tokens") or 0)


def _choices(answer: Any, count: int) -> list[Any]:
    """In the order of the prompts, which is not always that of the list."""
    by_index = {choice.get("index", 0): choice for choice in answer["choices"]}
    if set(by_index) != set(range(count)) or len(answer["choices"]) != count:
        raise ValueError("choices are missing")
    return [by_index[i] for i in range(count)]


def _text(choice: Any, prompt: Prompt) -> str:
    if choice.get("finish_reason") == "content_filter":
        raise NoVerdict(
            "the server keeps answers back (content_filter): what its model knows cannot be measured through it",
            mend="Switch the filter off, or ask the model from a folder of its files.",
        )
    if choice.get("finish_reason") not in _ENDINGS or not isinstance(choice["text"], str):
        raise ValueError("an answer that was broken off")
    text: str = choice["text"]
    return text


def _scored(choice: Any, prompt: Prompt) -> TokenScores:
    """Of an echoed prompt: entry t of the server's lists is of token t, and the first has none before it."""
    found = choice["logprobs"]
    true = found["token_logprobs"][1 : len(prompt)]
    best = [max(top.values()) for top in found["top_logprobs"][1 : len(prompt)]]
    if len(true) != len(prompt) - 1 or len(best) != len(true) or not all(isinstance(p, (int, float)) for p in true):
        raise ValueError("log-probabilities are missing")
    return TokenScores(tuple(p >= top for p, top in zip(true, best, strict=True)), tuple(true))


def _tokenizer(name: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise AskedWrongly(
            "a tokenizer needs more libraries", where=name, mend="pip install 'code-scrubber[train]'"
        ) from None
    try:
        loaded = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # loaders raise anything, and their texts may quote file content
        raise ModelUnusable(
            f"the tokenizer cannot be loaded ({type(error).__name__})",
            where=name,
            mend="Give the folder that holds the model's tokenizer.json, or its hub id.",
        ) from None
    if not loaded.is_fast:
        raise ModelUnusable(
            "its tokenizer gives no character offsets", where=name, mend="Save it with a fast tokenizer."
        )
    return loaded
