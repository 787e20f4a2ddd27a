"""Token formats of providers that detect-secrets lacks or matches too loosely, as data."""

from __future__ import annotations

from typing import NamedTuple


class TokenFormat(NamedTuple):
    """One format. ``head`` is a faster pattern that hits on the same lines, where the format begins with no literal."""

    rule: str
    regex: str
    head: str = ""


TOKEN_FORMATS = (
    TokenFormat("age-secret-key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    TokenFormat("airtable-token", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}", r"\.[a-f0-9]{64}"),
    TokenFormat("alibaba-access-key", r"LTAI[A-Za-z0-9]{20}"),
    TokenFormat("anthropic-key", r"sk-ant-[a-z0-9]+-[A-Za-z0-9_\-]{80,120}"),
    TokenFormat("atlassian-token", r"ATATT3[A-Za-z0-9_\-=]{180,200}"),
    TokenFormat("aws-access-key", r"A(?:3T[A-Z0-9]|BIA|CCA|KIA|SIA)[0-9A-Z]{16}"),
    TokenFormat("azure-client-secret", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}", r"Q~[A-Za-z0-9_~.\-]{31}"),
    TokenFormat("databricks-token", r"dapi[a-f0-9]{32}"),
    TokenFormat("digitalocean-token", r"do[opr]_v1_[a-f0-9]{64}"),
    TokenFormat(
        "discord-bot-token",
        r"[MNO][A-Za-z\d_\-]{23,25}\.[A-Za-z\d_\-]{6}\.[A-Za-z\d_\-]{27,38}",
        r"\.[\w\-]{6}\.[\w\-]{27}",
    ),
    TokenFormat("discord-webhook", r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_\-]{60,80}"),
    TokenFormat("docker-token", r"dckr_[a-z]{3}_[A-Za-z0-9_\-]{27}"),
    TokenFormat("doppler-token", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9.]{40,60}"),
    TokenFormat("dynatrace-token", r"dt0[a-z]\d\d\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}"),
    TokenFormat("github-token", r"gh[oprsu]_[A-Za-z0-9]{36}", r"gh[oprsu]_[A-Za-z0-9_]{36}"),
    TokenFormat("github-token", r"github_pat_[A-Za-z0-9_]{36,82}"),
    TokenFormat("gitlab-token", r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-[A-Za-z0-9_\-]{20,64}"),
    TokenFormat("google-api-key", r"AIza[0-9A-Za-z_\-]{35}"),
    TokenFormat("google-oauth-secret", r"GOCSPX-[A-Za-z0-9_\-]{28}"),
    TokenFormat("google-oauth-token", r"ya29\.[A-Za-z0-9_\-]{30,}"),
    TokenFormat("grafana-token", r"gl(?:c|sa)_[A-Za-z0-9+/_]{32,400}={0,2}"),
    TokenFormat("groq-key", r"gsk_[A-Za-z0-9]{52}"),
    TokenFormat("hashicorp-vault-token", r"hv[sb]\.[A-Za-z0-9_\-]{24,200}"),
    TokenFormat("hugging-face-token", r"hf_[A-Za-z0-9]{34,40}"),
    TokenFormat("hugging-face-token", r"api_org_[A-Za-z0-9]{34}"),
    TokenFormat("linear-key", r"lin_api_[A-Za-z0-9]{40}"),
    TokenFormat("new-relic-key", r"NRAK-[A-Z0-9]{27}"),
    TokenFormat("notion-token", r"ntn_\d{11}[A-Za-z0-9]{35}"),
    TokenFormat("npm-token", r"npm_[A-Za-z0-9]{36}"),
    TokenFormat("1password-token", r"ops_eyJ[A-Za-z0-9+/]{250,}={0,3}"),
    TokenFormat(
        "openai-key",
        r"sk-(?:(?:proj|svcacct|admin|None)-)?(?=[A-Za-z_\-]{0,40}\d)[A-Za-z0-9_\-]{32,200}",
        r"sk-[A-Za-z0-9_\-]{32}",
    ),
    TokenFormat("perplexity-key", r"pplx-[A-Za-z0-9]{48}"),
    TokenFormat("planetscale-token", r"pscale_(?:pw|tkn|oauth)_[A-Za-z0-9_\-.=]{32,64}"),
    TokenFormat("postman-key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    TokenFormat("pulumi-token", r"pul-[a-f0-9]{40}"),
    TokenFormat("pypi-token", r"pypi-[A-Za-z0-9_\-]{50,}"),
    TokenFormat("replicate-token", r"r8_[A-Za-z0-9]{37}"),
    TokenFormat("rubygems-token", r"rubygems_[a-f0-9]{48}"),
    TokenFormat("sendgrid-key", r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}"),
    TokenFormat("sendinblue-key", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    TokenFormat("sentry-token", r"sntry[su]_[A-Za-z0-9+/=_\-]{40,300}"),
    TokenFormat("shopify-token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    TokenFormat("slack-token", r"xox[abeoprs]-(?:\d+-){1,4}[A-Za-z0-9]{10,}"),
    TokenFormat("slack-token", r"xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{20,}"),
    TokenFormat("slack-webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}"),
    TokenFormat("square-token", r"sq0(?:atp|csp|idp)-[0-9A-Za-z_\-]{22,43}", r"sq0[aci]"),
    TokenFormat("stripe-key", r"[rs]k_live_[0-9a-zA-Z]{10,99}", r"k_live_[0-9a-zA-Z]{10}"),
    TokenFormat("typeform-token", r"tfp_[A-Za-z0-9_\-.=]{59}"),
)  # fmt: skip
