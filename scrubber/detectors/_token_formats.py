"""Token formats of providers that detect-secrets lacks or matches too loosely, as data."""

from __future__ import annotations

from typing import NamedTuple


class TokenFormat(NamedTuple):
    """One format. The regex begins with a literal where it can, since ``re`` searches for that one fast."""

    rule: str
    regex: str


TOKEN_FORMATS = (
    TokenFormat("aws-access-key", r"A(?:3T[A-Z0-9]|BIA|CCA|KIA|SIA)[0-9A-Z]{16}"),
    TokenFormat("anthropic-key", r"sk-ant-[a-z0-9]+-[A-Za-z0-9_\-]{80,120}"),
    TokenFormat("openai-key", r"sk-(?:(?:proj|svcacct|admin|None)-)?(?=[A-Za-z0-9_\-]*\d)[A-Za-z0-9_\-]{32,200}"),
    TokenFormat("openai-key", r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    TokenFormat("google-api-key", r"AIza[0-9A-Za-z_\-]{35}"),
    TokenFormat("google-oauth-secret", r"GOCSPX-[A-Za-z0-9_\-]{28}"),
    TokenFormat("google-oauth-token", r"ya29\.[A-Za-z0-9_\-]{30,}"),
    TokenFormat("slack-token", r"xox[abeoprs]-(?:\d+-){1,4}[A-Za-z0-9]{10,}"),
    TokenFormat("slack-token", r"xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{20,}"),
    TokenFormat("slack-webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}"),
    TokenFormat("discord-webhook", r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_\-]{60,80}"),
    TokenFormat("stripe-key", r"[rs]k_live_[0-9a-zA-Z]{10,99}"),
    TokenFormat("npm-token", r"npm_[A-Za-z0-9]{36}"),
    TokenFormat("github-token", r"gh[oprsu]_[A-Za-z0-9]{36}"),
    TokenFormat("github-token", r"github_pat_[A-Za-z0-9_]{36,82}"),
    TokenFormat("gitlab-token", r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-[A-Za-z0-9_\-]{20,64}"),
    TokenFormat("sendgrid-key", r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}"),
    TokenFormat("hugging-face-token", r"hf_[A-Za-z]{34}"),
    TokenFormat("hugging-face-token", r"api_org_[A-Za-z]{34}"),
    TokenFormat("pypi-token", r"pypi-[A-Za-z0-9_\-]{50,}"),
    TokenFormat("digitalocean-token", r"do[opr]_v1_[a-f0-9]{64}"),
    TokenFormat("shopify-token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    TokenFormat("square-token", r"sq0(?:atp|csp|idp)-[0-9A-Za-z_\-]{22,43}"),
    TokenFormat("databricks-token", r"dapi[a-f0-9]{32}"),
    TokenFormat("hashicorp-vault-token", r"hv[sb]\.[A-Za-z0-9_\-]{24,200}"),
    TokenFormat("linear-key", r"lin_api_[A-Za-z0-9]{40}"),
    TokenFormat("grafana-token", r"gl(?:c|sa)_[A-Za-z0-9+/_]{32,400}={0,2}"),
    TokenFormat("new-relic-key", r"NRAK-[A-Z0-9]{27}"),
    TokenFormat("postman-key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    TokenFormat("docker-token", r"dckr_[a-z]{3}_[A-Za-z0-9_\-]{27}"),
    TokenFormat("age-secret-key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
)
