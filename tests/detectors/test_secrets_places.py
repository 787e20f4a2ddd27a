"""Credentials in the places where real repositories keep them, each found by its exact span; values are made here."""

from __future__ import annotations

import random
import re

import pytest

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document
from scrubber.detectors._plausible import judge, share_of_words
from scrubber.detectors._templates import expand
from scrubber.detectors.prefilter import scanner
from scrubber.detectors.secrets import detector

SCAN = scanner([detector()], Fingerprinter(b"k" * 16))
BALANCED = 0.5
# What people choose, put together here, so that this file holds none.
CHOSEN = (
    "hun" + "ter2!", "qwe" + "rty123", "Sup3r" + "S3cret", "Tr0ub4" + "dor&3", "w1nter" + "-2019", "R00t" + "P4ss",
    "b1ue" + "M00n",
)  # fmt: skip
FIELD = re.compile(r"\{(?:password|\w+:\d+)\}")

# (language, text): {password} is what a person chose, {class:n} is drawn. The last field is what must be found.
FOUND: list[tuple[str | None, str]] = [
    # Python
    ("python", 'password = "{password}"'), ("python", "self.db_password = '{password}'"),
    ("python", 'password = ("{password}")'),
    ("python", 'conn = psycopg2.connect(host="db", user="app", password="{password}")'),
    ("python", 'PASS = r"{password}"'), ("python", 'client = MongoClient("mongodb://root:{password}@mongo:27017/")'),
    ("python", '    "pwd": "{password}",'),
    ("python", 'engine = create_engine("postgresql+psycopg2://app:{password}@db/app")'),
    ("python", 'api_key: str = "{alnum:32}"'), ("python", 'r = requests.get(url, auth=("admin", "{password}"))'),
    ("python", 'auth = HTTPBasicAuth("admin", "{password}")'), ("python", 'smtp.login("bot@example.com", "{password}")'),
    ("python", 'ssh.connect("10.0.0.4", username="root", password="{password}")'),
    ("python", 'os.environ["AWS_SECRET_ACCESS_KEY"] = "{base64:40}"'), ("python", 'SECRET_KEY = "{alnum:50}"'),
    ("python", "app.config['SECRET_KEY'] = '{hex:32}'"), ("python", 'app.secret_key = b"{alnum:24}"'),
    ("python", 'JWT_SECRET = "{alnum:32}"'), ("python", 'headers = {"Authorization": "Bearer {alnum:40}"}'),
    ("python", 'headers = {"X-API-Key": "{hex:32}"}'), ("python", 'headers = {"Authorization": "token {hex:40}"}'),
    ("python", "API_KEY = '{hex:32}'"), ("python", 'if pwd != "{password}":'),
    ("python", 'parser.add_argument("--password", default="{password}")'),
    ("python", 'password = os.getenv("DB_PASSWORD", "{password}")'),
    ("python", 'token = config.get("token", "{alnum:40}")'),
    ("python", 'bot = telebot.TeleBot("{digit:10}:AA{alnum:33}")'), ("python", 'key = Fernet(b"{base64url:43}=")'),
    ("python", 'cipher = AES.new(b"{alnum:16}", AES.MODE_CBC)'),
    ("python", 'jwt.encode(payload, "{alnum:32}", algorithm="HS256")'),
    ("python", 'db = MySQLdb.connect("localhost", "root", "{password}", "shop")'),
    ("python", 's3 = client("s3", aws_secret_access_key="{base64:40}")'),
    ("python", 'r = redis.Redis(host="r", password="{password}")'), ("python", 'ftp.login("anna", "{password}")'),
    ("python", 'client.login(username="anna", password="{password}")'),
    ("python", 'driver.find_element(By.ID, "password").send_keys("{password}")'),
    ("python", 'DATABASE_PASSWORD = env("X", default="{password}")'),
    ("python", "DATABASES = {'default': {'USER': 'app', 'PASSWORD': '{password}'}}"),
    ("python", 'url = f"https://svc:{password}@{host}/x"'), ("python", 'consumer_secret="{alnum:50}"'),
    ("python", 'User.objects.create_user("anna", "a@example.com", "{password}")'),
    ("python", '# db password is "{password}"'), ("python", 'cmd = "mysqldump -u root -p{password} shop"'),
    ("python", 'salt = "{alnum:32}"'),
    # JavaScript and TypeScript
    ("javascript", "const password = '{password}';"), ("typescript", 'export const DB_PASSWORD = "{password}";'),
    ("javascript", "  password: '{password}',"), ("javascript", 'const apiKey = "{alnum:32}";'),
    ("javascript", 'const cfg = { apiKey: "AIza{base64url:35}" };'),
    ("javascript", "process.env.JWT_SECRET = '{alnum:24}';"),
    ("javascript", "const secret = process.env.JWT_SECRET || '{password}';"),
    ("typescript", 'const secret = process.env.SECRET ?? "{alnum:24}";'),
    ("javascript", "jwt.sign(payload, '{alnum:32}', { expiresIn: '1h' })"),
    ("javascript", "mongoose.connect('mongodb+srv://app:{password}@cluster0.ab1cd.mongodb.net/db')"),
    ("javascript", "const pool = new Pool({ user: 'pg', password: '{password}', port: 5432 })"),
    ("javascript", "auth: { user: 'bot@example.com', pass: '{password}' }"),
    ("javascript", "cy.get('#password').type('{password}')"),
    ("javascript", "await page.fill('#password', '{password}');"),
    ("javascript", "app.use(session({ secret: '{password}', resave: false }))"),
    ("typescript", 'const token: string = "{alnum:40}";'),
    ("typescript", "private readonly apiSecret = '{alnum:32}';"),
    ("javascript", "headers: { Authorization: `Bearer {alnum:40}` }"),
    ("javascript", "headers: { 'x-api-key': '{alnum:40}' }"), ("html", '<input type="password" value="{password}">'),
    ("javascript", "clientSecret: '{alnum:40}',"), ("tsx", '<Login user="anna" password="{password}" />'),
    ("javascript", 'var passwd="{password}";'),
    ("javascript", "crypto.createCipheriv('aes-256-cbc', '{alnum:32}', iv)"),
    ("json", '{"db": {"user": "app", "password": "{password}"}}'),
    # Java, Kotlin, Go, C#, Rust, Swift, C
    ("java", 'private String password = "{password}";'), ("java", 'static final String SECRET = "{alnum:32}";'),
    ("java", 'ds.setPassword("{password}");'),
    ("java", 'DriverManager.getConnection("jdbc:mysql://h/db", "root", "{password}");'),
    ("java", 'props.setProperty("db.password", "{password}");'), ("java", '@Value("${db.password:{password}}")'),
    ("java", 'return new PasswordAuthentication("bot", "{password}".toCharArray());'),
    ("java", '.withUser("admin").password("{password}")'),
    ("java", 'new UsernamePasswordCredentials("admin", "{password}")'),
    ("java", 'keyStore.load(stream, "{password}".toCharArray());'),
    ("java", 'new SecretKeySpec("{alnum:16}".getBytes(), "AES")'), ("java", 'Algorithm.HMAC256("{alnum:24}")'),
    ("java", 'env.put(Context.SECURITY_CREDENTIALS, "{password}");'), ("kotlin", 'val password = "{password}"'),
    ("kotlin", 'private const val API_KEY = "{alnum:32}"'), ("go", 'password := "{password}"'),
    ("go", 'const apiKey = "{alnum:32}"'), ("go", 'dsn := "root:{password}@tcp(127.0.0.1:3306)/shop"'),
    ("go", 'req.SetBasicAuth("admin", "{password}")'),
    ("go", 'db, err := sql.Open("postgres", "host=db user=app password={password} dbname=app sslmode=disable")'),
    ("go", 'req.Header.Set("Authorization", "Bearer {alnum:40}")'),
    ("go", 'req.Header.Set("X-Api-Key", "{alnum:32}")'), ("go", 'os.Setenv("DB_PASSWORD", "{password}")'),
    ("go", 'var jwtKey = []byte("{alnum:24}")'), ("go", 'flag.String("password", "{password}", "of the db")'),
    ("csharp", 'string password = "{password}";'),
    ("csharp", 'var cs = "Server=db;Database=app;User Id=sa;Password={password};";'),
    ("csharp", 'new NetworkCredential("anna", "{password}")'), ("xml", '<add key="ApiSecret" value="{alnum:32}" />'),
    ("xml", '<add name="x" connectionString="Data Source=db;User ID=sa;Password={password}" />'),
    ("csharp", 'public const string ApiKey = "{hex:32}";'), ("rust", 'let password = "{password}";'),
    ("rust", 'const API_KEY: &str = "{alnum:32}";'), ("swift", 'let apiKey = "{alnum:32}"'),
    ("c", '#define WIFI_PASSWORD "{password}"'), ("c", 'const char *password = "{password}";'),
    ("cpp", 'std::string password("{password}");'), ("c", 'char pass[] = "{password}";'),
    (None, 'NSString *apiSecret = @"{alnum:32}";'), (None, 'Dim password As String = "{password}"'),
    # Ruby, PHP, Perl, others
    ("ruby", "  password: '{password}'"), ("ruby", 'config.secret_key = "{hex:64}"'),
    ("ruby", ':password => "{password}",'), ("ruby", "ENV['DB_PASSWORD'] ||= '{password}'"),
    ("ruby", 'ENV.fetch("DB_PASSWORD", "{password}")'), ("ruby", 'ENV.fetch("DB_PASSWORD") { "{password}" }'),
    ("ruby", "http.basic_auth 'admin', '{password}'"), ("php", '$password = "{password}";'),
    ("php", "define('DB_PASSWORD', '{password}');"), ("php", "'password' => '{password}',"),
    ("php", "'password' => env('DB_PASSWORD', '{password}'),"), ("php", "new PDO($dsn, 'root', '{password}');"),
    ("php", 'mysqli_connect("localhost", "root", "{password}", "shop");'),
    ("php", "$config['db_password'] = '{password}';"),
    ("php", 'curl_setopt($ch, CURLOPT_USERPWD, "anna:{password}");'), (None, "my $password = '{password}';"),
    (None, 'local secret = "{alnum:32}"'), (None, '  password: "{password}",'),
    (None, 'secret_key_base: "{base64:64}"'), (None, 'password => "{password}"'),
    ("sql", "CREATE USER app IDENTIFIED BY '{password}';"), ("sql", "ALTER ROLE app WITH PASSWORD '{password}';"),
    # shell and PowerShell
    ("shell", "export DB_PASSWORD={password}"), ("shell", 'PASSWORD="{password}"'),
    ("shell", "curl -u admin:{password} https://acme.io/api"),
    ("shell", 'curl -H "Authorization: Bearer {alnum:40}" https://acme.io'),
    ("shell", "curl -H 'X-Api-Key: {alnum:32}' https://acme.io"), ("shell", "mysql -uroot -p{password} shop"),
    ("shell", "PGPASSWORD={password} psql -h db"), ("shell", "sshpass -p '{password}' ssh root@db"),
    ("shell", "echo {password} | sudo -S reboot"), ("shell", 'echo "root:{password}" | chpasswd'),
    ("shell", "echo '{password}' | docker login -u bot --password-stdin"),
    ("shell", "docker login -u bot -p {password} r.acme.io"), ("shell", "redis-cli -h r -a {password} ping"),
    ("shell", "wget --user=bot --password={password} https://a.io"),
    ("shell", "export AWS_SECRET_ACCESS_KEY={base64:40}"),
    ("shell", "ldapsearch -D cn=admin,dc=acme -w {password} -b dc=acme"),
    ("shell", "az login --service-principal -u app -p {alnum:34} --tenant t"),
    ("shell", "openssl enc -aes-256-cbc -k {password} -in a"), ("shell", "smbclient //srv/share -U anna%{password}"),
    ("shell", "git clone https://anna:{password}@git.acme.io/a.git"),
    ("shell", "git clone https://{hex:40}@github.com/a/b.git"), ("shell", "htpasswd -bc .htpasswd admin {password}"),
    ("shell", 'TOKEN="${TOKEN:-{alnum:40}}"'), ("powershell", '$password = "{password}"'),
    ("powershell", 'ConvertTo-SecureString "{password}" -AsPlainText -Force'),
    ("powershell", 'Connect-App -User a -Password "{password}"'), (None, "set PASSWORD={password}"),
    ("shell", "sqlplus scott/{password}@db"),
    # infrastructure
    ("terraform", '  password = "{password}"'), ("terraform", 'variable "db_password" {\n  default = "{password}"\n}'),
    ("terraform", '  secret_key = "{base64:40}"'), (None, "ENV DB_PASSWORD={password}"),
    (None, "ENV DB_PASSWORD {password}"), (None, "ARG API_TOKEN={alnum:40}"),
    (None, "RUN echo 'root:{password}' | chpasswd"), ("yaml", "stringData:\n  password: {password}"),
    ("yaml", '- name: DB_PASSWORD\n  value: "{password}"'), ("yaml", "    - name: API_TOKEN\n      value: {alnum:40}"),
    ("yaml", "data:\n  .dockerconfigjson: eyJhdXRocyI6{base64:80}"),
    ("yaml", "data:\n  tls.key: LS0tLS1CRUdJTiBQUklWQVRF{base64:200}"),
    ("yaml", "      env:\n        DB_PASSWORD: {password}"), ("yaml", "POSTGRES_PASSWORD: {password}"),
    ("yaml", "      - MYSQL_ROOT_PASSWORD={password}"), ("yaml", "spring:\n  datasource:\n    password: {password}"),
    ("yaml", "ansible_become_pass: {password}"), ("json", '{"name": "DB_PASSWORD", "value": "{password}"}'),
    ("json", '{"ParameterKey": "DBPassword", "ParameterValue": "{password}"}'),
    # configuration
    ("ini", "//registry.npmjs.org/:_authToken=npm_{alnum:36}"), ("ini", "_auth={base64:30}=="),
    (None, "machine api.acme.io login bot password {password}"),
    ("ini", "[pypi]\nusername = anna\npassword = {password}"), (None, "https://anna:{password}@github.com"),
    (None, "admin:$apr1${crypt:8}${crypt:22}"),
    ("json", '"private_key": "-----BEGIN PRIVATE KEY-----\\n{base64:64}\\n{base64:64}\\n-----END PRIVATE KEY-----\\n"'),
    ("ini", "spring.mail.password={password}"), ("ini", "requirepass {password}"),
    ("ini", "[client]\nuser=root\npassword={password}"), ("dotenv", "SECRET={alnum:32}"),
    ("dotenv", 'APP_SECRET="{hex:32}"'), ("dotenv", "MAILGUN_PASSWORD='{password}'"),
    ("xml", "<password>{password}</password>"), ("xml", "<Password><Value>{password}</Value>"),
    ("xml", '<property name="hibernate.connection.password">{password}</property>'),
    ("xml", '<user username="admin" password="{password}" roles="manager"/>'), ("ini", "bind_password: {password}"),
    (None, "Password: {password}"), ("markdown", "Login with password `{password}`"), ("toml", 'token = "{hex:40}"'),
    ("ini", "rcon_password \"{password}\""), ("ini", "masterauth {password}"),
    ("yaml", "jdbc: jdbc:postgresql://db/app?user=a&password={password}"),
    (None, "https://api.acme.io/v1?api_key={hex:32}"), (None, "https://api.acme.io/v1?access_token={alnum:40}&x=1"),
    (None, "ftp://anna:{password}@ftp.acme.io/x"), (None, "redis://:{password}@cache:6379/0"),
    (None, "amqp://bot:{password}@mq:5672/vhost"), (None, "DB_PASSWORD ?= {password}"),
    (None, "AccountName=acme;AccountKey={base64:86}==;EndpointSuffix=core.windows.net"),
    ("toml", 'password = """{password}"""'),
]  # fmt: skip


def is_of(secret: str, value: str) -> bool:
    """Whether ``value`` is the secret, or that with the prefix, the lines or the padding that its format has."""
    around = value.replace(secret, "")
    return secret in value and len(around) < 2 * len(secret) and not set(around) & set(" \"'`{}<>()")


@pytest.mark.parametrize(("language", "template"), FOUND)
def test_it_is_found_by_its_span(language: str | None, template: str) -> None:
    rng = random.Random(template)
    missed = []
    for seed in range(4):
        secrets: list[str] = []

        def filled(match: re.Match[str], seed: int = seed, secrets: list[str] = secrets) -> str:
            made = rng.choice(CHOSEN) if match.group() == "{password}" else expand(match.group(), seed)
            secrets.append(made)
            return made

        text = FIELD.sub(filled, template) + "\n"
        findings = [f for f in SCAN(Document("d", text, "a", language)) if f.confidence >= BALANCED]
        found = [text[f.span.start : f.span.end] for f in findings]
        missed += [seed] if not any(is_of(secrets[-1], value) for value in found) else []
    assert not missed


@pytest.mark.parametrize("alphabet", ["alnum", "base64", "base36", "BASE36", "base32", "hex"])
def test_a_drawn_key_is_told_from_a_name_at_every_length(alphabet: str) -> None:
    for length, most in ((16, 0.05), (24, 0.03), (40, 0.01)):
        keys = [expand(f"{{{alphabet}:{length}}}", seed) for seed in range(400)]
        assert sum(judge(key, "key", ("secret",)) is None for key in keys) <= most * len(keys)


@pytest.mark.parametrize("name", ["PreTrainedModelForSequence", "authentication_backend_class", "getElementsByTagName"])
def test_letters_follow_each_other_in_names_as_in_words(name: str) -> None:
    drawn = expand(f"{{letter:{len(name)}}}", 1)
    assert (share_of_words(name) or 0) > 0.75 > (share_of_words(drawn) or 1)
    assert judge(name, "key", ("secret",)) is None
