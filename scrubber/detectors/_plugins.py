"""Expressions of detect-secrets' plug-ins, each under a pattern that hits every line on which it matches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from scrubber.detectors import _without_network  # noqa: F401 (before detect-secrets)

# isort: split
from detect_secrets.plugins import (
    artifactory,
    aws,
    azure_storage_key,
    basic_auth,
    gitlab_token,
    mailchimp,
    npm,
    private_key,
    slack,
    telegram_token,
    twilio,
)


class Plugin(NamedTuple):
    """A plug-in of detect-secrets.

    ``superset`` hits every line on which an expression matches. ``group`` is the group that is the value, in an
    expression that has so many; 0 is the whole match.
    """

    rule: str
    expressions: Sequence[re.Pattern[str]]
    superset: str
    group: int = 0


# Those that know a format better than our own rules, or as well by another way.
PLUGINS = (
    Plugin("artifactory-token", artifactory.ArtifactoryDetector.denylist, r"A(?:KC|P[\dA-F])[a-zA-Z0-9]{8}"),
    Plugin("aws-secret-key", aws.AWSKeyDetector.denylist[1:], r"""[aA][wW][sS].{0,50}['"][0-9a-zA-Z/+]{40}""", 1),
    Plugin("azure-storage-key", azure_storage_key.AzureStorageKeyDetector.denylist, r"AccountKey="),
    Plugin("basic-auth", basic_auth.BasicAuthDetector.denylist, r"://[^\s/]+@", 1),
    Plugin("gitlab-token", gitlab_token.GitLabTokenDetector.denylist, r"GR1348941|gl[a-z]{2,5}-[A-Za-z0-9_\-]{20}"),
    Plugin("mailchimp-key", mailchimp.MailchimpDetector.denylist, r"-us\d"),
    Plugin("npm-token", npm.NpmDetector.denylist, r"/:_authToken=", 1),
    Plugin("slack-token", slack.SlackDetector.denylist[:1], r"[xX][oO][xX][abeoprsABEOPRS]-\d"),
    Plugin("slack-webhook", slack.SlackDetector.denylist[1:], r"\.[sS][lL][aA][cC][kK]\."),
    Plugin("telegram-bot-token", telegram_token.TelegramBotTokenDetector.denylist, r"\d{8}:[0-9A-Za-z_\-]{35}"),
    Plugin("twilio-key", twilio.TwilioKeyDetector.denylist, r"(?:AC|SK)[a-z0-9]{32}"),
)

KEY_HEADERS: Sequence[re.Pattern[str]] = tuple(private_key.PrivateKeyDetector.denylist)
