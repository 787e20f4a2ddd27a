"""Every expression of detect-secrets' plug-ins, under a pattern that surely hits each line on which it matches.

The patterns are supersets for three engines: ``re`` on the text, Vectorscan on UTF-8, and Vectorscan on a copy of the
text in which "?" stands for each character that is not ASCII. So WORD, SPACE and DIGIT hold what Python's \\w, \\s and
\\d hold in ASCII, and "?" and everything beyond; no pattern looks round or crosses the end of a line. What only
IGNORECASE brings (four letters beyond ASCII, FOLDING) is in none of them: lines with these go to all expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from scrubber.detectors import _without_network  # noqa: F401 (before detect-secrets)

# isort: split
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
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import (
    Base64HighEntropyString,
    HexHighEntropyString,
    HighEntropyStringsPlugin,
)
from detect_secrets.util.filetype import FileType

FOLDING = "\u0130\u0131\u017f\u212a"  # what IGNORECASE takes for i, i, s and k


class Expression(NamedTuple):
    """One expression of a plug-in. ``groups``: those that are values; ``once``: only its first match on a line counts."""

    type: str  # as detect-secrets writes it
    regex: re.Pattern[str]
    groups: tuple[int, ...]
    accepts: Callable[[str], bool] | None = None
    once: bool = False
    of_format: bool = True  # a format, not a name or entropy: detect-secrets spares these one of its filters

    def spans(self, line: str) -> Iterator[tuple[int, int]]:
        """Where the values that the plug-in takes stand on ``line``, a line without its end."""
        for match in self.regex.finditer(line):
            for group in self.groups:
                start, end = match.span(group)
                if start < end and (self.accepts is None or self.accepts(line[start:end])):
                    yield start, end
            if self.once:
                return


class Head(NamedTuple):
    """A pattern of the prefilter and the expressions that can match only on a line that it hits."""

    rule: str
    regex: str
    expressions: tuple[Expression, ...]


@lru_cache(maxsize=4096)
def expressions(rules: frozenset[str], file_type: FileType) -> tuple[Expression, ...]:
    """Those that the heads of these names bring in a file of this type; of all heads where ``rules`` is empty."""
    keywords = keyword.REGEX_BY_FILETYPE.get(file_type, keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP)
    return tuple(
        expression
        for head in HEADS
        if not rules or head.rule in rules
        for expression in head.expressions
        if expression.type != KEYWORD_TYPE or expression.regex in keywords
    )


def _formats(plugin: type[RegexBasedDetector], *numbers: int) -> tuple[Expression, ...]:
    """The expressions of a plug-in of formats, or those of the given numbers. What ``findall`` returns is the value."""
    regexes = list(plugin.denylist)
    accepts = jwt.JwtTokenDetector.is_formally_valid if plugin is jwt.JwtTokenDetector else None
    return tuple(
        Expression(plugin.secret_type, regex, tuple(range(1, regex.groups + 1)) or (0,), accepts)
        for number, regex in enumerate(regexes)
        if not numbers or number in numbers
    )


def _same(plugin: type[RegexBasedDetector]) -> str:
    """The expressions of a plug-in as a pattern, where they begin with a literal and hold nothing of Unicode."""
    return "|".join(regex.pattern for regex in plugin.denylist)


def _entropy(plugin: HighEntropyStringsPlugin, least_distinct: int) -> tuple[Expression, ...]:
    def accepts(value: str) -> bool:
        # fewer than 2 ** limit distinct characters cannot have more entropy than the limit
        return len(set(value)) >= least_distinct and plugin.calculate_shannon_entropy(value) > plugin.entropy_limit

    return (Expression(plugin.secret_type, plugin.regex, (2,), accepts, of_format=False),)


def _keywords(*regexes: re.Pattern[str]) -> tuple[Expression, ...]:
    return tuple(
        Expression(KEYWORD_TYPE, regex, (KEYWORD_GROUPS[regex],), once=True, of_format=False) for regex in regexes
    )


def _any_case(regex: str) -> str:
    """``regex``, whose letters are literals outside of classes, for both cases. ``re`` searches it faster than (?i)."""
    return re.sub(r"[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", regex)


KEYWORD_TYPE: str = keyword.KeywordDetector.secret_type
KEYWORD_GROUPS: dict[re.Pattern[str], int] = {
    regex: group
    for groups in (*keyword.REGEX_BY_FILETYPE.values(), keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP)
    for regex, group in groups.items()
}
WORD = r"[^\x00-/:->@\[-\^`{-\x7f]"
SPACE = r"[^\x00-\x08\n\r\x0e-\x1b!->@-\x7f]"
DIGIT = r"[^\x00-/:->@-\x7f]"
CLOSING = r"""[\]'"]{0,2}"""
QUOTE = "['\"`]"
KEYWORDS = (
    r"(?:(?:api|auth|service|account|client|db|database|priv|private)_?key|(?:db|database|key)_?pass|passw(?:or)?d|pwd"
    r"|secret|contrase~a)"
)
ENYE = r"(?:[nN?]|[^\x00-\x7f]{1,2})"  # two bytes in UTF-8
LOWER_KEYWORD = KEYWORDS.replace("~", ENYE)
KEYWORD = _any_case(KEYWORDS).replace("~", ENYE)
# At least eight digits of hex, of which one is a letter: no value without a letter passes detect-secrets' filters.
HEX_RUN = "|".join((
    *("[0-9]" * before + rf"[A-Fa-f][0-9A-Fa-f]{{{7 - before},}}" for before in range(7)),
    r"[0-9]{7,}[A-Fa-f][0-9A-Fa-f]*",
))  # fmt: skip
USERINFO = r"[^:/#\[\]@!$&'()*+,;=\t\n\r ]+"
# The end of what build_assignment_regex makes: the last word of a name, and the sign after it.
ASSIGNED = _any_case(r"(?:key|pwd?|pass(?:word)?|token)") + r"""["']?\]?[ :=>]+["']?"""

HEADS = (
    Head(
        "keyword-quoted",
        rf"{KEYWORD}{WORD}*{CLOSING}{SPACE}*(?:[!=]={{0,2}}|=>|:){SPACE}*{QUOTE}{WORD}",
        _keywords(
            keyword.FOLLOWED_BY_COLON_QUOTES_REQUIRED_REGEX,
            keyword.FOLLOWED_BY_EQUAL_SIGNS_QUOTES_REQUIRED_REGEX,
            keyword.FOLLOWED_BY_ARROW_FUNCTION_SIGN_QUOTES_REQUIRED_REGEX,
        ),
    ),
    Head(
        "keyword-bare",
        rf"{KEYWORD}{WORD}*{CLOSING}{SPACE}*(?::=?|[!=]={{0,2}}){SPACE}*{QUOTE}?{WORD}",
        _keywords(
            keyword.FOLLOWED_BY_COLON_EQUAL_SIGNS_REGEX,
            keyword.FOLLOWED_BY_COLON_REGEX,
            keyword.FOLLOWED_BY_EQUAL_SIGNS_REGEX,
        ),
    ),
    Head(
        "keyword-array",
        rf'{KEYWORD}{WORD}*(?:\[[0-9]*\])?{SPACE}*[!=]{{1,2}}{SPACE}*@?"{WORD}',
        _keywords(keyword.FOLLOWED_BY_EQUAL_SIGNS_OPTIONAL_BRACKETS_OPTIONAL_AT_SIGN_QUOTES_REQUIRED_REGEX),
    ),
    Head(
        "keyword-call",
        rf'{LOWER_KEYWORD}{WORD}*(?:[^\r\n]assign)?\("{WORD}',
        _keywords(keyword.FOLLOWED_BY_OPTIONAL_ASSIGN_QUOTES_REQUIRED_REGEX),
    ),
    Head(
        "keyword-reversed",
        rf"{QUOTE}{SPACE}*[!=]{{2,3}}{SPACE}*{WORD}*{LOWER_KEYWORD}",
        _keywords(keyword.PRECEDED_BY_EQUAL_COMPARISON_SIGNS_QUOTES_REQUIRED_REGEX),
    ),
    Head(
        "keyword-semicolon",
        rf"{KEYWORD}[^\t\n\x0b\x0c\r ]*{SPACE}*{QUOTE}{WORD}[^'\"\r\n]*{QUOTE};",
        _keywords(keyword.FOLLOWED_BY_QUOTES_AND_SEMICOLON_REGEX),
    ),
    Head("quoted-base64", r"""['"][A-Za-z0-9+/\\\-_=]{23,}['"]""", _entropy(Base64HighEntropyString(), 23)),
    Head("quoted-hex", rf"""['"](?:{HEX_RUN})['"]""", _entropy(HexHighEntropyString(), 8)),
    Head(
        "artifactory",
        rf"AKC[a-zA-Z0-9]{{10}}|AP(?:[A-F]|{DIGIT})[a-zA-Z0-9]{{8}}",
        _formats(artifactory.ArtifactoryDetector),
    ),
    Head("aws-id", aws.AWSKeyDetector.denylist[0].pattern, _formats(aws.AWSKeyDetector, 0)),
    Head("aws-secret", r"""['"][0-9a-zA-Z/+]{40}['"]""", _formats(aws.AWSKeyDetector, 1)),
    Head("azure", r"AccountKey=[a-zA-Z0-9+/=]{88}", _formats(azure_storage_key.AzureStorageKeyDetector)),
    Head("basic-auth", rf"://{USERINFO}:{USERINFO}@", _formats(basic_auth.BasicAuthDetector)),
    Head(
        "assigned-run",
        ASSIGNED + r"[A-Za-z0-9_\-]{44}",
        (
            *_formats(ibm_cloud_iam.IbmCloudIamDetector),
            *_formats(ibm_cos_hmac.IbmCosHmacDetector),
            *_formats(softlayer.SoftlayerDetector, 0),
            *_formats(cloudant.CloudantDetector, 0),
        ),
    ),
    Head("softlayer-url", _any_case(r"/soap/v3"), _formats(softlayer.SoftlayerDetector, 1)),
    Head(
        "cloudant-assigned",
        _any_case(r"cl(?:ou(?:dant)?)?[_\-]?(?:api)?") + ASSIGNED + r"[A-Za-z]{24}",
        _formats(cloudant.CloudantDetector, 1),
    ),
    Head("cloudant-url", _any_case(r"\.cloudant\.com"), _formats(cloudant.CloudantDetector, 2, 3)),
    Head(
        "discord",
        rf"[MNO](?:[a-zA-Z_\-]|{DIGIT}){{23}}[^\r\n.]*\.(?:[a-zA-Z_\-]|{DIGIT}){{6,24}}"
        rf"\.(?:[a-zA-Z_\-]|{DIGIT}){{27}}",
        _formats(discord.DiscordBotTokenDetector),
    ),
    Head("github", _same(github_token.GitHubTokenDetector), _formats(github_token.GitHubTokenDetector)),
    Head(
        "gitlab",
        r"(?:gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941)[A-Za-z0-9_\-]{20}",
        _formats(gitlab_token.GitLabTokenDetector),
    ),
    Head("json-web-token", r"eyJ[A-Za-z0-9\-_=]+\.[A-Za-z0-9\-_=]", _formats(jwt.JwtTokenDetector)),
    Head("mailchimp", r"[0-9a-z]{32}-us[0-9]", _formats(mailchimp.MailchimpDetector)),
    Head("npm", r"/:_authToken=", _formats(npm.NpmDetector)),
    Head("openai", r"T3BlbkFJ[A-Za-z0-9]{20}", _formats(openai.OpenAIDetector)),
    Head("private-key", _same(private_key.PrivateKeyDetector), _formats(private_key.PrivateKeyDetector)),
    Head("pypi", r"pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)", _formats(pypi_token.PypiTokenDetector)),
    Head("sendgrid", _same(sendgrid.SendGridDetector), _formats(sendgrid.SendGridDetector)),
    Head("slack", _any_case(r"xox(?:a|b|p|o|s|r)-") + DIGIT, _formats(slack.SlackDetector, 0)),
    Head("slack-webhook", _any_case(r"hooks\.slack\.com/services/"), _formats(slack.SlackDetector, 1)),
    Head("square", r"sq0csp-[0-9A-Za-z\\\-_]{43}", _formats(square_oauth.SquareOAuthDetector)),
    Head("stripe", r"[rs]k_live_[0-9a-zA-Z]{24}", _formats(stripe.StripeDetector)),
    Head("telegram", rf"{DIGIT}:[0-9A-Za-z_\-]{{35}}", _formats(telegram_token.TelegramBotTokenDetector)),
    Head("twilio", r"(?:AC|SK)[a-z0-9]{32}", _formats(twilio.TwilioKeyDetector)),
)
