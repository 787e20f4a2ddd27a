"""A scan does not load the library for the network that only detect-secrets' verification needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST_US = """
import sys
import scrubber.detectors.secrets
assert "urllib3" not in sys.modules and "requests" not in sys.modules, "loaded"
from detect_secrets.plugins import aws
assert "urllib3" not in sys.modules
import requests.exceptions
assert issubclass(requests.exceptions.Timeout, requests.RequestException)
assert aws.requests is not requests and aws.requests.post is requests.post
"""
FROM_THE_OTHER_END = """
import scrubber.detectors.secrets, sys
from detect_secrets.plugins import aws
from requests import post
assert aws.requests.exceptions.Timeout is sys.modules["requests"].Timeout and aws.requests.post is post
"""
FIRST_REQUESTS = """
import requests, sys
import scrubber.detectors.secrets
from detect_secrets.plugins import aws
assert sys.modules["requests"] is requests is aws.requests
"""


@pytest.mark.parametrize("probe", [FIRST_US, FROM_THE_OTHER_END, FIRST_REQUESTS])
def test_requests_is_loaded_when_it_is_first_used_and_is_itself(probe: str) -> None:
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
