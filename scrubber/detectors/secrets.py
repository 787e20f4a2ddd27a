"""Credentials: the rules of detect-secrets used as a library, token formats of our own, and filters for precision.

detect-secrets' plug-ins are asked only for their regular expressions and validators. Its settings, which are one object
per process, and its network verification are never touched.
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
    private_key,
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
from scrubber.detectors._assignments import HEADS, assigned
from scrubber.detectors._plausible import (
    is_drawn,
    is_placeholder,
    looks_like_password,
    looks_like_url_password,
    looks_random,
)
from scrubber.detectors._token_formats import TOKEN_FORMATS
from scrubber.detectors.prefilter import lines

Finder = Callable[[Document, int, int], Iterable[Hit]]  # finds values on the line text[start:end]


class Plugin(NamedTuple):
    """A plug-in of detect-secrets.

    ``key`` and ``superset`` name and make the pattern that hits every line on which an expression matches; without
    a superset, the patterns of our own format of that rule do. ``group`` is the group that is the value, in an
    expression that has so many; 0 is the whole match.
    """

    rule: str
    expressions: Sequence[re.Pattern[str]]
    superset: str = ""
    group: int = 0
    confidence: float = 0.9
    key: str = ""


LONG_RUN = r"[A-Za-z0-9_\-]{44}"
QUOTED_RUN = r"""['"][A-Za-z0-9+/\\\-_=]{20,}['"]"""
PLUGINS = (
    Plugin("artifactory-token", artifactory.ArtifactoryDetector.denylist, r"A(?:KC|P[\dA-F])[a-zA-Z0-9]{8}", 0, 0.6),
    Plugin("aws-access-key", aws.AWSKeyDetector.denylist[:1]),
    Plugin("aws-secret-key", aws.AWSKeyDetector.denylist[1:], QUOTED_RUN, 1, 0.9, "quoted-run"),
    Plugin("azure-storage-key", azure_storage_key.AzureStorageKeyDetector.denylist, r"AccountKey="),
    Plugin("basic-auth", basic_auth.BasicAuthDetector.denylist, r"://[^\s/]+@", 1, 0.8),
    Plugin("cloudant-key", cloudant.CloudantDetector.denylist, r"[cC][lL](?:[oO][uU]|[_\-]?[aAkKpPtT])", 1, 0.6),
    Plugin("discord-bot-token", discord.DiscordBotTokenDetector.denylist),
    Plugin("github-token", github_token.GitHubTokenDetector.denylist),
    Plugin("gitlab-token", gitlab_token.GitLabTokenDetector.denylist, r"GR1348941"),
    Plugin("ibm-cloud-iam-key", ibm_cloud_iam.IbmCloudIamDetector.denylist, LONG_RUN, 1, 0.6, "long-run"),
    Plugin("ibm-cos-hmac-key", ibm_cos_hmac.IbmCosHmacDetector.denylist, LONG_RUN, 1, 0.6, "long-run"),
    Plugin("mailchimp-key", mailchimp.MailchimpDetector.denylist, r"-us\d"),
    Plugin("npm-token", npm.NpmDetector.denylist, r"/:_authToken=", 1),
    Plugin("openai-key", openai.OpenAIDetector.denylist),
    Plugin("pypi-token", pypi_token.PypiTokenDetector.denylist),
    Plugin("sendgrid-key", sendgrid.SendGridDetector.denylist),
    Plugin("slack-token", slack.SlackDetector.denylist[:1], r"[xX][oO][xX][abeoprsABEOPRS]-\d"),
    Plugin("slack-webhook", slack.SlackDetector.denylist[1:], r"\.[sS][lL][aA][cC][kK]\."),
    Plugin("softlayer-key", softlayer.SoftlayerDetector.denylist, LONG_RUN, 1, 0.6, "long-run"),
    Plugin("square-token", square_oauth.SquareOAuthDetector.denylist),
    Plugin("stripe-key", stripe.StripeDetector.denylist),
    Plugin("telegram-bot-token", telegram_token.TelegramBotTokenDetector.denylist, r":[0-9A-Za-z_\-]{35}"),
    Plugin("twilio-key", twilio.TwilioKeyDetector.denylist, r"[CK][a-z0-9]{32}"),
)

# A URL's userinfo may hold the sub-delimiters that detect-secrets excludes, and an @ of its own.
URL_PASSWORD = re.compile(r"://[^\s:/?#@'\"`<>()]*:((?:[^\s@/'\"`<>\\]|@(?=[^\s/'\"`@]*@))+)@[\w\[]")
# The lazy last part of detect-secrets' expression leaves the signature out.
JSON_WEB_TOKEN = re.compile(r"eyJ[A-Za-z0-9_\-=]{8,}\.[A-Za-z0-9_\-=]{4,}(?:\.[A-Za-z0-9_\-+/=]*)?")
KEY_HEADERS = tuple(private_key.PrivateKeyDetector.denylist)
KEY_END = re.compile(r"-----END|Private-MAC")
KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{32,}")
MOST_KEY_CHARACTERS = 16_384
MOST_HEADER_CHARACTERS = 400  # PGP and PuTTY put comment lines between the header and the key
# Digests, public keys and alphabets are random too; what a line says about itself tells them apart.
DIGEST_LINE = re.compile(
    r"sha[-_]?\d|sha(?![a-z])|\bgit|md5|hash|digest|integrity|checksum|commit|revision|crc|fingerprint|etag|blake|uuid|guid|\bid\b"
    r"|public|certificate|alphabet|charset|base64|b64|nonce|salt|signature|src=|fromhex|unhexlify",
    re.IGNORECASE,
)
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")  # some providers' keys are UUIDs
EDGE = " \t'\"`"


class SecretsDetector:
    """The Detector of credentials. Confidence: .9 a format, .8 a place for passwords, .6 a telling name, .5 entropy."""

    kind: Kind = "secret"

    def __init__(self) -> None:
        self._patterns: dict[Pattern, None] = {}
        self._finders: dict[str, list[Finder]] = {}
        for row in TOKEN_FORMATS:
            self._add(row.rule, _format_finder(row.rule, row.regex), row.head or row.regex)
        for plugin in PLUGINS:
            self._add(plugin.key or plugin.rule, _plugin_finder(plugin), plugin.superset)
        self._add("basic-auth", _url_passwords)
        self._add("json-web-token", _web_tokens, r"eyJ[A-Za-z0-9_\-=]{8}")
        self._add("private-key", _private_keys, r"BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY", r"PuTTY-User-Key-File-")
        self._add("keyword-assignment", _assignments, *HEADS)
        self._add("quoted-run", _entropy_finder(), QUOTED_RUN)

    def _add(self, key: str, finder: Finder, *regexes: str) -> None:
        self._finders.setdefault(key, []).append(finder)
        self._patterns |= dict.fromkeys(Pattern(key, regex) for regex in regexes if regex)

    def patterns(self) -> Sequence[Pattern]:
        return list(self._patterns)

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """The credentials on the lines that were hit; a span is the value alone, without quotes or name."""
        for start, end, keys in lines(document.text, hits):
            for key in sorted(keys):
                for finder in self._finders[key]:
                    yield from finder(document, start, end)


def detector() -> Detector:
    """The part that ``scrubber.core.parts`` loads."""
    return SecretsDetector()


def _format_finder(rule: str, regex: str) -> Finder:
    bounded = re.compile(rf"(?<![A-Za-z0-9_]){regex}(?![A-Za-z0-9])")

    def find(document: Document, start: int, end: int) -> Iterator[Hit]:
        for match in bounded.finditer(document.text, start, end):
            if is_drawn(match.group()):
                yield Hit(rule, Span(*match.span()), 0.95)

    return find


def _plugin_finder(plugin: Plugin) -> Finder:
    accepted = looks_like_url_password if plugin.rule == "basic-auth" else is_drawn

    def find(document: Document, start: int, end: int) -> Iterator[Hit]:
        text = document.text
        line = text[start:end]  # a copy: expressions with ^ and $ mean the line's
        for expression in plugin.expressions:
            for match in expression.finditer(line):
                span = _trimmed(text, start, *match.span(min(plugin.group, expression.groups)))
                cut = text[span.start - 1 : span.start].isalnum() or text[span.end : span.end + 1].isalnum()
                # A whole match that is a piece of something longer, such as an encoded image, is none.
                if not (plugin.group == 0 and cut) and accepted(text[span.start : span.end]):
                    yield Hit(plugin.rule, span, plugin.confidence)

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
    """The body of a key, from its first to its last line of base64. A header without a body is no secret."""
    text = document.text
    for header in (match for regex in KEY_HEADERS for match in regex.finditer(text, start, end)):
        limit = min(len(text), header.end() + MOST_KEY_CHARACTERS)
        stop = KEY_END.search(text, header.end(), limit)
        body = list(KEY_LINE.finditer(text, header.end(), stop.start() if stop else limit))
        if body and body[0].start() - header.end() < MOST_HEADER_CHARACTERS and not is_placeholder(body[0].group()):
            last = stop.start() if stop else body[-1].end()
            value = re.sub(r"(?:\\[nr]|[^A-Za-z0-9+/=])+$", "", text[body[0].start() : last])
            yield Hit("private-key", Span(body[0].start(), body[0].start() + len(value)), 0.95)


def _assignments(document: Document, start: int, end: int) -> Iterator[Hit]:
    line = document.text[start:end]
    groups = keyword.REGEX_BY_FILETYPE.get(
        determine_file_type(document.path or ""), keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
    )
    given = list(assigned(line, document.language))
    for regex, group in groups.items():
        for match in regex.finditer(line):
            first, last = match.span(group)
            given.append(((line[match.start() : first] + line[last : match.end()]).lower(), first, last))
    for name, first, last in given:
        span = _trimmed(document.text, start, first, last)
        value = document.text[span.start : span.end]
        accepted = looks_like_password if "pass" in name or "pwd" in name else looks_random
        named_key = UUID.fullmatch(value) and name.endswith(("key", "token", "secret"))
        if accepted(value) and (named_key or not _is_filtered(value, line, document)):
            yield Hit("keyword-assignment", span, 0.5 if named_key else 0.6)


def _entropy_finder() -> Finder:
    plugins = (("high-entropy-hex", HexHighEntropyString(), 32), ("high-entropy-base64", Base64HighEntropyString(), 20))

    def find(document: Document, start: int, end: int) -> Iterator[Hit]:
        line = document.text[start:end]
        if DIGEST_LINE.search(line):
            return
        for rule, plugin, least in plugins:
            for match in plugin.regex.finditer(line):
                value = match.group(2)
                if (
                    len(value) >= least
                    and plugin.calculate_shannon_entropy(value) > plugin.entropy_limit
                    and looks_random(value)
                    and not _is_filtered(value, line, document)
                ):
                    yield Hit(rule, Span(start + match.start(2), start + match.end(2)), 0.5)

    return find


def _is_filtered(value: str, line: str, document: Document) -> bool:
    """detect-secrets' heuristics for values that only look like credentials."""
    name = document.path or document.id
    return bool(
        is_placeholder(value)
        or heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
        or heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_not_alphanumeric_string(value)
        or heuristic.is_likely_id_string(value, line)
        or heuristic.is_indirect_reference(f"value = {value}")
        or heuristic.is_lock_file(name)
        or heuristic.is_swagger_file(name)
    )


def _trimmed(text: str, offset: int, first: int, last: int) -> Span:
    value = text[offset + first : offset + last]
    left = len(value) - len(value.lstrip(EDGE + "=:"))
    return Span(offset + first + left, offset + first + max(left, len(value.rstrip(EDGE))))
