"""What every test gets: few threads, no network, the folder of test data; and the switch that makes a skip fail."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Set before any test imports a library that reads them at import time.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("SCRUBBER_KEY_FILE", None)  # a developer's own key has no business in a test
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="scrubber-tests-")

DATA_VARIABLE = "SCRUBBER_TEST_DATA"
FAIL_ON_SKIP_VARIABLE = "SCRUBBER_FAIL_ON_SKIP"
NO_DATA = f"{DATA_VARIABLE} is not set"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real test data. Without it the test skips, and that skip is forgiven even where others are not."""
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        pytest.skip(NO_DATA)
    path = Path(folder)
    assert path.is_dir(), f"{DATA_VARIABLE} names no folder: {path}"
    return path


def unforgiven_skips(config: pytest.Config) -> list[str]:
    """Place and reason of every skip, of tests and of whole files, that is not for want of test data."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get(FAIL_ON_SKIP_VARIABLE) or reporter is None:
        return []
    skips = [(report.nodeid, report.longrepr) for report in reporter.stats.get("skipped", [])]
    reasons = [(name, longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)) for name, longrepr in skips]
    return [f"{name}: {reason}" for name, reason in reasons if not reason.endswith(NO_DATA)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and unforgiven_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if skips := unforgiven_skips(config):
        terminalreporter.section(f"{len(skips)} skipped, and {FAIL_ON_SKIP_VARIABLE} is set: this run fails", red=True)
        for line in skips:
            terminalreporter.line(line)


CODE = (
    "def add(left, right):\n    return left + right\n",
    "def largest(numbers):\n    return max(numbers, default=None)\n",
    "for name in sorted(names):\n    print(name, len(name))\n",
    "class Client:\n    def __init__(self, host, port=443):\n        self.host = host\n        self.port = port\n",
    "key = read_key('service')  # the value 7f3a9 is no key\n",
)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of random models, by architecture. The GPT-2 has no pad token and a short window, and all its dropout."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>", "<|pad|>"]
    bpe.train_from_iterator(
        CODE,
        trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, special_tokens=special, show_progress=False),
    )
    size, end, pad = bpe.get_vocab_size(), bpe.token_to_id("<|endoftext|>"), bpe.token_to_id("<|pad|>")
    # a wide initialisation, so that random logits differ enough for greedy answers to be the same on every machine
    shared = {"vocab_size": size, "bos_token_id": end, "eos_token_id": end, "initializer_range": 0.3}
    shape = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "pad_token_id": pad,
    }
    configurations = {
        "gpt2": transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=96, **shared),
        "llama": transformers.LlamaConfig(**shared, **shape),
        "qwen2": transformers.Qwen2Config(**shared, **shape),
    }
    folders = {}
    for seed, (name, configuration) in enumerate(configurations.items()):
        folders[name] = tmp_path_factory.mktemp(name)
        torch.manual_seed(seed)
        transformers.AutoModelForCausalLM.from_config(configuration).save_pretrained(folders[name])
        padding = {} if name == "gpt2" else {"pad_token": "<|pad|>"}
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=bpe, bos_token="<|endoftext|>", eos_token="<|endoftext|>", **padding
        ).save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="session")
def tiny_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny demo that was run from the shell; what it printed lies in its private/."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("demo") / "run"
    command = [sys.executable, "-m", "scrubber.cli", "demo", "--profile", "tiny", "--run-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout.decode()[-3000:] + done.stderr.decode()
    (folder / "private" / "stdout").write_bytes(done.stdout)
    (folder / "private" / "stderr").write_bytes(done.stderr)
    return folder
