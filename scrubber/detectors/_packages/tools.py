"""What installs packages: each tool's command line as far as it tells names from options and their values."""

from __future__ import annotations

import re
from typing import NamedTuple

from scrubber.core.mentions import Ecosystem


class Tool(NamedTuple):
    """``head``: the words before the arguments. ``valued``: options whose next word is a value.

    ``naming``: options whose value is a package. ``elsewhere``: options that say the package comes from elsewhere.
    ``first_only``: what follows the first package are arguments of a program. ``prefix``: of a generator's name.
    """

    ecosystem: Ecosystem
    head: str
    valued: frozenset[str]
    naming: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    first_only: bool = False
    prefix: str = ""


def _options(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Options between a tool's words: `npm --prefix web install`, `pip --quiet install`.
_BETWEEN = (
    r"(?:--?[\w-]+(?:=\S{1,200})?[ \t]+"
    r"|(?:--(?:prefix|cwd|filter|dir|proxy|cache-dir|color|python|directory)|-C|-F)[ \t]+\S{1,200}[ \t]+){0,5}"
)
_PIP = _options(
    "-r --requirement --requirements -c --constraint --constraints -e --editable -t --target -i --index-url "
    "--extra-index-url -f --find-links --platform --python-version --implementation --abi --root --prefix -b --build "
    "--src --upgrade-strategy --install-option --global-option --no-binary --only-binary --progress-bar --proxy "
    "--retries --timeout --default-timeout --exists-action --trusted-host --cert --client-cert --cache-dir --log -C "
    "--config-settings --config-setting --use-feature --use-deprecated --python --report --keyring-provider --group "
    "--index --default-index --prerelease --resolution -p --extra --overrides --override --torch-backend --link-mode "
    "--upgrade-package --reinstall-package -P --exclude-newer --root-user-action --uploaded-prior-to --only-group"
)
_UV = _PIP | _options(
    "--optional --tag --branch --rev --script --package --bounds --directory --project --env-file --marker -m"
)
_POETRY = _options("-G --group -E --extras --python --platform --source -C --directory -P --project --markers")
_NPM = _options(
    "--registry --prefix -w --workspace --tag --cache --loglevel --userconfig -C --cwd --filter -F --dir --store-dir "
    "--save-prefix --otp --omit --include --backend --config -c --network-timeout --cache-folder"
)
_NPX = _options("-c --call --node-arg -n --registry --shell --userconfig --cache -w --workspace")
_CARGO = _options(
    "--features -F --branch --rev --tag -p --package --rename --manifest-path --target --registry --version --vers "
    "--bin --bins --root -j --jobs --index --profile --example --config --color --target-dir"
)
_GEM = _options("-v --version -s --source -i --install-dir -n --bindir -P --trust-policy -p --http-proxy --platform --group -g "
                "--require --path --git --github --branch --glob")  # fmt: skip

_NPX_HEAD = r"npx|bunx|pnpx|(?:pnpm|yarn)[ \t]+dlx|bun[ \t]+x|npm[ \t]+(?:exec|x)(?:[ \t]+--(?=[ \t]))?"
TOOLS = (
    Tool("pypi", rf"[Pp]ip[23]?(?:\.\d+)?(?:\.exe)?[ \t]+{_BETWEEN}install", _PIP),
    Tool("pypi", rf"uv[ \t]+{_BETWEEN}pip[ \t]+{_BETWEEN}install", _UV),
    Tool("pypi", rf"uv[ \t]+{_BETWEEN}add", _UV, elsewhere=_options("--git")),
    Tool("pypi", rf"uv[ \t]+{_BETWEEN}tool[ \t]+(?:install|upgrade)", _UV, _options("--with --from")),
    Tool("pypi", rf"uvx|uv[ \t]+{_BETWEEN}tool[ \t]+run", _UV, _options("--with --from"), first_only=True),
    Tool(
        "pypi",
        rf"uv[ \t]+{_BETWEEN}run(?=[^\n]{{0,200}}[ \t]--with\b)",
        _UV,
        _options("--with"),
        first_only=True,
        prefix="-",
    ),
    Tool(
        "pypi",
        rf"pipx[ \t]+{_BETWEEN}(?:install|inject|upgrade)",
        _PIP | _options("--pip-args --suffix"),
        _options("--spec --preinstall"),
    ),
    Tool(
        "pypi", rf"pipx[ \t]+{_BETWEEN}run", _PIP | _options("--pip-args"), _options("--spec --with"), first_only=True
    ),
    Tool("pypi", rf"poetry[ \t]+{_BETWEEN}(?:self[ \t]+)?add", _POETRY),
    Tool(
        "pypi",
        rf"(?:pdm|rye)[ \t]+{_BETWEEN}add",
        _POETRY | _options("-p --path --git --features --tag --rev"),
        elsewhere=_options("--git --path"),
    ),
    Tool("pypi", r"pipenv[ \t]+install", _PIP | _options("--categories")),
    Tool("pypi", r"easy_install", _PIP),
    Tool("npm", rf"[Nn]pm[ \t]+{_BETWEEN}(?:install|isntall|i|add|in|ins)", _NPM),
    Tool("npm", rf"pnpm[ \t]+{_BETWEEN}(?:add|install|i)", _NPM),
    Tool("npm", rf"[Yy]arn[ \t]+{_BETWEEN}(?:global[ \t]+|workspace[ \t]+\S+[ \t]+)?add", _NPM),
    Tool("npm", rf"bun[ \t]+{_BETWEEN}(?:add|install|i|a)", _NPM),
    Tool("npm", _NPX_HEAD, _NPX, _options("-p --package"), first_only=True),
    Tool("npm", r"(?:npm|yarn|pnpm|bun)[ \t]+create|npm[ \t]+init", _NPX, first_only=True, prefix="create-"),
    Tool("crates", rf"cargo[ \t]+(?:\+\w+[ \t]+)?{_BETWEEN}add", _CARGO, elsewhere=_options("--git --path")),
    Tool(
        "crates",
        rf"cargo[ \t]+(?:\+\w+[ \t]+)?{_BETWEEN}(?:install|binstall)",
        _CARGO,
        elsewhere=_options("--git --path"),
    ),
    Tool("go", r"go[ \t]+(?:get|install)", _options("-C -mod -modfile -tags -ldflags -o -p")),
    Tool("go", r"go[ \t]+run(?=[ \t]+\S+@\S)", frozenset(), first_only=True),
    Tool("rubygems", rf"gem[ \t]+{_BETWEEN}install", _GEM),
    Tool("rubygems", r"bundle[ \t]+add", _GEM, elsewhere=_options("--path --git --github")),
)
HEAD = re.compile(
    r"(?<![\w@.-])(?:"
    + "|".join(f"(?P<t{number}>{tool.head})" for number, tool in enumerate(TOOLS))
    + r")(?=[ \t\\^`\"']|$)",
    re.MULTILINE,
)
# One of these stands on every line that HEAD matches on; looking for them takes no time, and HEAD much.
SIGNS = (
    "install", "npx", "uv", "bun", "pm ", "yarn ", "Yarn ", "cargo ", "go get", "go run", "poetry ", "pdm ", "rye ", "pipx ",
)  # fmt: skip


def tool_of(match: re.Match[str]) -> Tool:
    return next(tool for number, tool in enumerate(TOOLS) if match[f"t{number}"])


# After an article, `the pip install command` is a thing, and names nothing.
ARTICLE = re.compile(
    r"\b(?:the|an?|your|my|this|that|each|every|any|its|their|another|failed|successful)[ \t]+$", re.IGNORECASE
)
