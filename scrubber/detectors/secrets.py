"""Credentials: the rules of detect-secrets used as a library, token formats of our own, and filters for precision.

detect-secrets' plug-ins are built directly and asked only for their regular expressions and validators. Its settings,
which are one object per process, and its network verification are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from detect_secrets.filters import heuristic
from detect_secrets.plugins import (
    artifactory,
    aws,
    azure_storage_key,
    basic_auth,
    cloudant,
    discord,
    github_token,
    gitlab_token,
    ibm_cloud_iam,
    ibm_cos_hmac,
    jwt,
    keyword,
    mailchimp,
    npm,
    openai,
    pypi_token,
    sendgrid,
    slack,
    softlayer,
    square_oauth,
    stripe,
    telegram_token,
    twilio,
)
from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString, HexHighEntropyString
from detect_secrets.util.filetype import determine_file_type

from scrubber.core.types import Detector, Document, Hit, Kind, Pattern, Span
from scrubber.detectors._assignments import ASSIGNMENT_HEAD, assigned
from scrubber.detectors._plausible import is_placeholder, is_reference, looks_like_password, looks_random
from scrubber.detectors._token_formats import TOKEN_FORMATS
from scrubber.detectors.prefilter import lines

Finder = Callable[[Document, int, int], Iterable[Hit]]  # finds values on the line text[start:end]


class Plugin(NamedTuple):
    """A plug-in of detect-secrets, and a pattern that hits every line on which its expressions match.

    ``superset`` begins with a literal or a small set of characters where it can: ``re`` looks for those fast.
    ``group``: the group of an expression that is the value, where it has that many; 0 is the whole match.
    """

    rule: str
    expressions: Iterable[re.Pattern[str]]
    superset: str
    group: int = 1
    confidence: float = 0.9


LONG_RUN = r"[A-Za-z0-9_\-]{44}"
PLUGINS = (
    Plugin("artifactory-credentials", artifactory.ArtifactoryDetector.denylist, r"A(?:KC|P[\dA-F])[a-zA-Z0-9]{8}", 0, 0.6),
    Plugin("aws-access-key", aws.AWSKeyDetector.denylist[:1], r"A(?:3T[A-Z0-9]|BIA|CCA|KIA|SIA)[0-9A-Z]{16}", 0),
    Plugin("aws-secret-key", aws.AWSKeyDetector.denylist[1:], r"""['"][0-9a-zA-Z/+]{40}['"]"""),
    Plugin("azure-storage-key", azure_storage_key.AzureStorageKeyDetector.denylist, r"AccountKey=[a-zA-Z0-9+/=]{88}"),
    Plugin("basic-auth", basic_auth.BasicAuthDetector.denylist, r"://[^\s/]+@", 1, 0.8),
    Plugin("cloudant-credentials", cloudant.CloudantDetector.denylist, r"[cC][lL][oO]?[uU]?[dD]?[aA]?[nN]?[tT]?[_\-]?(?i:api)?[_\-]?(?i:key|pwd|pw|pass|token)|cloudant\.com|CLOUDANT\.COM"),
    Plugin("discord-bot-token", discord.DiscordBotTokenDetector.denylist, r"\.[a-zA-Z\d_\-]{6}\.[a-zA-Z\d_\-]{27}", 0),
    Plugin("github-token", github_token.GitHubTokenDetector.denylist, r"gh[oprsu]_[A-Za-z0-9_]{36}", 0),
    Plugin("gitlab-token", gitlab_token.GitLabTokenDetector.denylist, r"gl[a-z]{2,5}-[A-Za-z0-9_\-]{20}|GR1348941", 0),
    Plugin("ibm-cloud-iam-key", ibm_cloud_iam.IbmCloudIamDetector.denylist, LONG_RUN, 1, 0.6),
    Plugin("ibm-cos-hmac", ibm_cos_hmac.IbmCosHmacDetector.denylist, LONG_RUN),
    Plugin("mailchimp-key", mailchimp.MailchimpDetector.denylist, r"-us\d", 0),
    Plugin("npm-token", npm.NpmDetector.denylist, r"/:_authToken="),
    Plugin("openai-key", openai.OpenAIDetector.denylist, r"sk-[A-Za-z0-9_\-]{40}", 0),
    Plugin("pypi-token", pypi_token.PypiTokenDetector.denylist, r"pypi-Ag", 0),
    Plugin("sendgrid-key", sendgrid.SendGridDetector.denylist, r"SG\.[a-zA-Z0-9_\-]{22}\.", 0),
    Plugin("slack-token", slack.SlackDetector.denylist[:1], r"[xX][oO][xX][abeoprsABEOPRS]-\d", 0),
    Plugin("slack-webhook", slack.SlackDetector.denylist[1:], r"(?i:hooks\.slack\.com/services)", 0),
    Plugin("softlayer-credentials", softlayer.SoftlayerDetector.denylist, LONG_RUN),
    Plugin("square-token", square_oauth.SquareOAuthDetector.denylist, r"sq0csp-", 0),
    Plugin("stripe-key", stripe.StripeDetector.denylist, r"[rs]k_live_", 0),
    Plugin("telegram-bot-token", telegram_token.TelegramBotTokenDetector.denylist, r":[0-9A-Za-z_\-]{35}", 0),
    Plugin("twilio-key", twilio.TwilioKeyDetector.denylist, r"(?:AC|SK)[a-z0-9]{32}", 0),
)  # fmt: skip

# A URL's userinfo may hold the sub-delimiters that detect-secrets excludes, and an @ of its own.
URL_PASSWORD = re.compile(r"://[^\s:/?#@'\"`<>()]*:((?:[^\s@/'\"`<>\\]|@(?=[^\s/'\"`@]*@))+)@[\w\[]")
# The lazy last part of detect-secrets' expression leaves the signature out.
JSON_WEB_TOKEN = re.compile(r"eyJ[A-Za-z0-9_\-=]{8,}\.[A-Za-z0-9_\-=]{4,}(?:\.[A-Za-z0-9_\-+/=]*)?")
KEY_HEADER = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d")
KEY_END = re.compile(r"-----END|Private-MAC")
KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{32,}")
MOST_KEY_CHARACTERS = 16_384
# Digests, public keys and alphabets are random too; what a line says about itself tells them apart.
DIGEST_LINE = re.compile(
    r"sha[-_]?\d|\bsha\b|md5|hash|digest|integrity|checksum|commit|revision|crc|fingerprint|etag|blake|uuid|guid"
    r"|public|certificate|alphabet|charset|base64|b64|nonce|salt|signature|src=",
    re.IGNORECASE,
)
EDGE = " \t'\"`"


class SecretsDetector:
    """The Detector of credentials. Confidence: .9 a provider's format, .8 a place for passwords, .6 a name, .5 entropy."""

    kind: Kind = "secret"

    def __init__(self) -> None:
        self._rows: list[tuple[Pattern, Finder]] = [
            *((Pattern(row.rule, row.regex), _format_finder(row.rule, row.regex)) for row in TOKEN_FORMATS),
            *((Pattern(row.rule, row.superset), _plugin_finder(row)) for row in PLUGINS),
            (Pattern("basic-auth", r"://[^\s/]+@"), _url_passwords),
            (Pattern("json-web-token", r"eyJ[A-Za-z0-9_\-=]{8,}\."), _web_tokens),
            (Pattern("private-key", r"-----BEGIN [A-Z0-9 ]*PRIVATE|PuTTY-User-Key"), _private_keys),
            (Pattern("keyword-assignment", ASSIGNMENT_HEAD), _assignments),
            (Pattern("high-entropy", r"""['"][A-Za-z0-9+/\\\-_=]{20,}['"]"""), _entropy_finder()),
        ]
        self._finders: dict[str, list[Finder]] = {}
        for pattern, finder in self._rows:
            self._finders.setdefault(pattern.rule, []).append(finder)

    def patterns(self) -> Sequence[Pattern]:
        return list(dict.fromkeys(pattern for pattern, _ in self._rows))

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """The credentials on the lines that were hit; a span is the value alone, without quotes or name."""
        for start, end, rules in lines(document.text, hits):
            for rule in sorted(rules):
                for finder in self._finders[rule]:
                    yield from finder(document, start, end)


def detector() -> Detector:
    return SecretsDetector()


def _format_finder(rule: str, regex: str) -> Finder:
    bounded = re.compile(rf"(?<![A-Za-z0-9_]){regex}(?![A-Za-z0-9])")

    def find(document: Document, start: int, end: int) -> Iterator[Hit]:
        for match in bounded.finditer(document.text, start, end):
            if _is_drawn(match.group()):
                yield Hit(rule, Span(*match.span()), 0.95)

    return find


def _plugin_finder(row: Plugin) -> Finder:
    expressions = tuple(row.expressions)

    def find(document: Document, start: int, end: int) -> Iterator[Hit]:
        line = document.text[start:end]  # a copy: expressions with ^ and $ mean the line's
        for expression in expressions:
            for match in expression.finditer(line):
                span = _trimmed(document.text, start, *match.span(min(row.group, expression.groups)))
                before, after = document.text[span.start - 1 : span.start], document.text[span.end : span.end + 1]
                value = document.text[span.start : span.end]
                if row.group == 0 and (before.isalnum() or after.isalnum()):
                    continue  # a piece of something longer, such as an encoded image
                if _is_drawn(value) if row.rule != "basic-auth" else looks_like_url_password(value):
                    yield Hit(row.rule, span, row.confidence)

    return find


def _url_passwords(document: Document, start: int, end: int) -> Iterator[Hit]:
    for match in URL_PASSWORD.finditer(document.text, start, end):
        if looks_like_url_password(match.group(1)):
            yield Hit("basic-auth", Span(*match.span(1)), 0.85)


def _web_tokens(document: Document, start: int, end: int) -> Iterator[Hit]:
    for match in JSON_WEB_TOKEN.finditer(document.text, start, end):
        if jwt.JwtTokenDetector.is_formally_valid(match.group()):
            yield Hit("json-web-token", Span(*match.span()), 0.85)


def _private_keys(document: Document, start: int, end: int) -> Iterator[Hit]:
    """The body of a key, from its first to its last base64 character. A header without a body is no secret."""
    text = document.text
    for header in KEY_HEADER.finditer(text, start, end):
        limit = min(len(text), header.end() + MOST_KEY_CHARACTERS)
        stop = KEY_END.search(text, header.end(), limit)
        body = list(KEY_LINE.finditer(text, header.end(), stop.start() if stop else limit))
        if body and (stop or body[0].start() - header.end() < 40) and not is_placeholder(body[0].group()):
            last = stop.start() if stop else body[-1].end()
            value = text[body[0].start() : last]
            yield Hit(
                "private-key", Span(body[0].start(), body[0].start() + len(value.rstrip(" \t\r\n\\n'\"+,"))), 0.95
            )


def _assignments(document: Document, start: int, end: int) -> Iterator[Hit]:
    line = document.text[start:end]
    groups = keyword.REGEX_BY_FILETYPE.get(
        determine_file_type(document.path or ""), keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
    )
    spans = [match.span(group) for regex, group in groups.items() for match in regex.finditer(line)]
    for name, first, last in [*(("password", *span) for span in spans), *assigned(line, document.language)]:
        span = _trimmed(document.text, start, first, last)
        value = document.text[span.start : span.end]
        good = looks_like_password(value) if "pass" in name or "pwd" in name else looks_random(value)
        if good and not _is_filtered(value, line, document):
            yield Hit("keyword-assignment", span, 0.6)


def _entropy_finder() -> Finder:
    base64, hexadecimal = Base64HighEntropyString(), HexHighEntropyString()

    def find(document: Document, start: int, end: int) -> Iterator[Hit]:
        line = document.text[start:end]
        if DIGEST_LINE.search(line):
            return
        for rule, plugin, least in (("high-entropy-hex", hexadecimal, 32), ("high-entropy-base64", base64, 20)):
            for match in plugin.regex.finditer(line):
                value = match.group(2)
                if (
                    len(value) >= least
                    and plugin.calculate_shannon_entropy(value) > plugin.entropy_limit
                    and looks_random(value)
                    and not is_placeholder(value)
                    and not _is_filtered(value, line, document)
                ):
                    yield Hit(rule, Span(start + match.start(2), start + match.end(2)), 0.5)

    return find


def looks_like_url_password(value: str) -> bool:
    return len(value) >= 4 and not is_placeholder(value) and not is_reference(value)


def _is_drawn(value: str) -> bool:
    """Whether a value of a provider's format is no example of the format."""
    return not is_placeholder(value) and len(set(value)) >= min(10, len(value) // 2)


def _is_filtered(value: str, line: str, document: Document) -> bool:
    """detect-secrets' heuristics for values that only look like credentials."""
    name = document.path or document.id
    return bool(
        heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
        or heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_not_alphanumeric_string(value)
        or heuristic.is_likely_id_string(value, line)
        or heuristic.is_lock_file(name)
        or heuristic.is_swagger_file(name)
    )


def _trimmed(text: str, offset: int, first: int, last: int) -> Span:
    value = text[offset + first : offset + last]
    left = len(value) - len(value.lstrip(EDGE + "=:"))
    return Span(offset + first + left, offset + first + max(left, len(value.rstrip(EDGE))))
