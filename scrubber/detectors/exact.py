"""The finding set of detect-secrets 1.5.0 itself, with no filter and no rule of our own, at the speed of a prefilter.

Of each file the same types and values on the same lines as ``detect-secrets scan --no-verify`` reports. Its expressions
run only on lines that a superset of them hits; files that it rewrites first (YAML, INI) go through its transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scrubber.core.types import Detector, Document, Hit, Kind, Pattern
from scrubber.detectors._exact_expressions import HEADS
from scrubber.detectors._exact_lines import needs_all, secrets_in

RULES: Mapping[str, str] = {  # detect-secrets' type of a secret -> the rule of our findings
    "AWS Access Key": "aws-access-key",
    "Artifactory Credentials": "artifactory-token",
    "Azure Storage Account access key": "azure-storage-key",
    "Base64 High Entropy String": "high-entropy-base64",
    "Basic Auth Credentials": "basic-auth",
    "Cloudant Credentials": "cloudant-key",
    "Discord Bot Token": "discord-bot-token",
    "GitHub Token": "github-token",
    "GitLab Token": "gitlab-token",
    "Hex High Entropy String": "high-entropy-hex",
    "IBM COS HMAC Credentials": "ibm-cos-hmac-key",
    "IBM Cloud IAM Key": "ibm-cloud-iam-key",
    "JSON Web Token": "json-web-token",
    "Mailchimp Access Key": "mailchimp-key",
    "NPM tokens": "npm-token",
    "OpenAI Token": "openai-key",
    "Private Key": "private-key",
    "Public IP (ipv4)": "public-ip",  # never found: its filters want a letter in every value
    "PyPI Token": "pypi-token",
    "Secret Keyword": "keyword-assignment",
    "SendGrid API Key": "sendgrid-key",
    "Slack Token": "slack-token",
    "SoftLayer Credentials": "softlayer-key",
    "Square OAuth Secret": "square-token",
    "Stripe Access Key": "stripe-key",
    "Telegram Bot Token": "telegram-bot-token",
    "Twilio API Key": "twilio-key",
}
# How far a pattern alone is to be trusted; all others have a format of their own.
CONFIDENCE = {"keyword-assignment": 0.6, "high-entropy-base64": 0.5, "high-entropy-hex": 0.5, "basic-auth": 0.8}


class ExactDetector:
    """The Detector. Several types may stand at one place, as in detect-secrets: hence ``overlapping``."""

    kind: Kind = "secret"
    overlapping = True  # the prefilter keeps all of its hits

    def patterns(self) -> Sequence[Pattern]:
        return [Pattern(head.rule, head.regex) for head in HEADS]

    def always(self, document: Document) -> bool:
        """Whether ``confirm`` must be asked even where no pattern hits."""
        return needs_all(document.text, document.path or document.id)

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """A span is the value as detect-secrets has it; where it rewrote the file and the line lacks it, the line."""
        for secret in secrets_in(document.text, document.path or document.id, hits):
            rule = RULES[secret.type]
            yield Hit(rule, secret.span, CONFIDENCE.get(rule, 0.9))


def detector() -> Detector:
    """The part that ``scrubber.core.parts`` loads."""
    return ExactDetector()
