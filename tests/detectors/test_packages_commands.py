"""Install commands are read as a shell reads them, and where people write, as a person does."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.mentions import Context
from scrubber.detectors._packages.commands import commands
from scrubber.detectors._packages.found import Found

PROSE = [
    ("pip install requests", "requests"),
    ("!pip install -q transformers==4.30 datasets[audio]>=2", "transformers datasets"),
    ("First, `pip install numpy pandas` then run.", "numpy pandas"),
    ("Run pip install requests to install it.", "requests"),
    ("how to pip install a package", ""),
    ("The pip install command is great", ""),
    ("If pip install fails, try again", ""),
    ("pip install -r requirements.txt", ""),
    ('pip install "fastapi[all]" \'uvicorn>=0.2; python_version<"3.9"\'', "fastapi uvicorn"),
    ("pip install numpy, pandas, and matplotlib", "numpy pandas matplotlib"),
    ("pip install numpy, then run it", "numpy"),
    ("RUN pip install --no-cache-dir -r requirements.txt && pip install gunicorn", "gunicorn"),
    ("python3 -m pip install --upgrade pip setuptools wheel", "pip setuptools wheel"),
    ("py -m pip install --index-url https://example.org/simple uno dos", "uno dos"),
    ("pip install $PKG {name} %PKG% --target=lib real", "real"),
    ("pip install <package-name>", ""),
    ("pip install 'open", ""),
    ("pip install \\\n  uno \\\n  dos\npip list", "uno dos"),
    ("pip install uno ^\n  dos", "uno dos"),
    ("pip install git+https://example.org/a/b.git ./local -e . x.whl real", "real"),
    ("pip install named @ https://example.org/x.whl", ""),
    ("pip install foo>=1,<2 bar ~= 2.0 baz", "foo bar baz"),
    ("$ pip install foo  # install foo and bar", "foo"),
    ("pip install foo; pip install bar | tee log", "foo bar"),
    ("<code>pip install foo</code> and", "foo"),
    ("**pip install foo**, (pip install bar)", "foo bar"),
    ("Use ``pip install foo``.", "foo"),
    ("pip install 12 0x7f", ""),
    ("npm i -D @types/node eslint@latest alias@npm:real-one", "@types/node eslint real-one"),
    ("npm install --registry https://example.org left-pad", "left-pad"),
    ("npm install && npm run build", ""),
    ("npm install user/repo github:a/b", ""),
    ("npx create-react-app my-app --template typescript", "create-react-app"),
    ("npx -p typescript tsc --init", "typescript"),
    ("npm create vite@latest my-app -- --template react", "create-vite"),
    ("npm init @scope/thing", "@scope/create-thing"),
    ("yarn add react react-dom --dev", "react react-dom"),
    ("yarn global add serve", "serve"),
    ("pnpm --filter web add zod", "zod"),
    ("pnpm dlx create-next-app@latest x", "create-next-app"),
    ("bun add zod", "zod"),
    ("cargo add serde --features derive", "serde"),
    ("cargo install --git https://example.org/x ripgrep", ""),
    ("cargo add tokio@1 serde_json", "tokio serde-json"),
    ("go get github.com/gin-gonic/gin@v1.2 ./...", "github.com/gin-gonic/gin"),
    ("go install golang.org/x/tools/cmd/goimports@latest", "golang.org/x/tools/cmd/goimports"),
    ("I go get the milk. To go get it", ""),
    ("gem install rails -v 7.0", "rails"),
    ("bundle add devise --group web", "devise"),
    ("uv add httpx --group dev", "httpx"),
    ("uv pip install torch --index-url https://example.org/cpu", "torch"),
    ("uv tool install ruff", "ruff"),
    ("uvx --from httpie http get x", "httpie"),
    ("uvx ruff check .", "ruff"),
    ("uv run --with rich,httpx script.py", "rich httpx"),
    ("poetry add -G dev pytest^7.0 'black>=2'", "pytest black"),
    ("pipx run cowsay moo", "cowsay"),
    ("pipx install black", "black"),
    ("Running pip install numpy in PowerShell says that pip is no cmdlet", "numpy"),
    ('pip install"Django==4.2.7"', "django"),
    ("Error with npm install yarn : unable to resolve the tree", "yarn"),
    ("Yarn add always fails; npm install on my system too. npm install should map to yarn add", ""),
    ("you should be able to `pip install ipython_blocking` in your environment", "ipython-blocking"),
    ("(spider) C:\\Users\\Me.Too>pip install lxml", "lxml"),
    ("3. pip install wptools\n4. conda install jupyter\n", "wptools"),
    ("sudo pip install --upgrade jupyter", "jupyter"),
    ("`/usr/local/bin/pip3 install six`", "six"),
    ("!{sys.executable} -m pip install mglearn", "mglearn"),
    ("path/to/python -m pip install ...", ""),
    (
        "I tried to install it using  'pip install wikipedia'\neven I tried pip3 install wikipedia\nbut no",
        "wikipedia wikipedia",
    ),
    ("npm install --global yarn`.", "yarn"),
    ("run `yarn install cp a/b`", ""),
    ("uv add {{name}}", ""),
    ("pip install rich - a library for terminals", "rich"),
    ("- pip install rich -- it prints", "rich"),
    ("| pip install rich | a library |", "rich"),
    ("**Installation:** npm install -g @angular/cli (optional)", "@angular/cli"),
    ("pip install torch==2.0.1+cu118 -f https://example.org/whl", "torch"),
    ("pip uninstall rich; npm uninstall chalk; npm init -y", ""),
    ("python -m venv env && source env/bin/activate && pip install flask", "flask"),
    ("poetry add requests@latest", "requests"),
    ("execSync(`npm install ${name}`)", ""),
    ("npm install react@18 react-dom@^18 'eslint@>=8'", "react react-dom eslint"),
    ("apt install python3-pip npm -y", ""),
    ("conda install -c conda-forge numpy", ""),
    ("brew install wget && apt-get install python3-pip", ""),
]
STRINGS = [
    ('os.system("pip install foo-bar")', "foo-bar"),
    ('subprocess.check_call([sys.executable, "-m", "pip", "install", "x1", "-U", pkg])', "x1"),
    ("run(['npm', 'install', '--save', 'left-pad@1.0'])", "left-pad"),
    ('CMD ["uv", "pip", "install", "--target", "x", "one"]', "one"),
    ("pip.main(['install', 'one'])", "one"),
    ('f"pip install {pkg}"', ""),
    ('"pip install " + name', ""),
    ('"pip install %s" % name', ""),
    ("raise ImportError(\"please pip install 'foo[bar]' to use this\")", "foo"),
    ('raise ImportError("please pip install foo to use this")', "foo"),
    ('print("pip install foo\\n")', "foo"),
]  # fmt: skip


def names(text: str, context: Context) -> list[str]:
    found = list(commands(text, lambda at: context))
    assert all(text[one.start : one.end] == one.raw or one.skip for one in found)
    return [one.name for one in found if not one.skip]


@pytest.mark.parametrize(("text", "expected"), PROSE)
def test_in_prose(text: str, expected: str) -> None:
    assert names(text, "prose") == expected.split()


@pytest.mark.parametrize(("text", "expected"), STRINGS)
def test_in_code_that_runs_them(text: str, expected: str) -> None:
    assert names(text, "string") == expected.split()


def kinds(text: str) -> list[tuple[str, str]]:
    return [(one.kind, one.ecosystem) for one in commands(text, lambda at: "code")]


def test_kinds_and_registries() -> None:
    assert kinds("%pip install a-b") == [("magic", "pypi")]
    assert kinds("['yarn', 'add', 'x']") == [("subprocess", "npm")]
    assert kinds("cargo add x-y") == [("install", "crates")]


def test_a_url_shows_no_password() -> None:
    secret = "".join(random.Random(3).choices("abcdefghij0123456789", k=24))
    found = list(commands(f"pip install git+https://me:{secret}@example.org/x.git", lambda at: "code"))
    assert [one.skip for one in found] == [True]
    assert secret not in repr(found)


WORDS = st.sampled_from(
    ["pip install", "npm i", "cargo add", "uvx", " ", "\n", "`", '"', "'", "\\", "foo", "@", "==1", "-r", "--with", "[", "]",
     "<", ">", "{x}", "#", ",", "and", "$X", "npx", "é", "\r\n", "(", ")", "[\"pip\", \"install\", ", "&&"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=30).map("".join))
def test_any_text_has_sound_spans(text: str) -> None:
    found: list[Found] = list(commands(text, lambda at: "prose"))
    for one in found:
        assert 0 <= one.start < one.end <= len(text)
        assert one.skip or text[one.start : one.end] == one.raw


@pytest.mark.parametrize(
    "piece",
    [
        "pip install ",
        "npx -p ",
        '["pip", "install", ',
        "pip install \\\n",
        "npm -C ",
        "sudo -m PS>",
        "->",
        "go get a.b/",
        "`pip install [",
    ],
)
def test_long_repeats_take_no_longer_than_they_are(piece: str) -> None:
    began = time.process_time()
    list(commands(piece * (60_000 // len(piece)), lambda at: "prose"))
    assert time.process_time() - began < 3
