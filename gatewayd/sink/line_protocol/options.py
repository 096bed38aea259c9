"""What may stand in the configuration of a line protocol sink.

Rules: an option that the dialect does not know is refused and not ignored; user, password and token never stand in
the URL, which is logged.
"""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gatewayd.options import PasswordReference, TokenReference
from gatewayd.sink.tls import TlsOptions

if TYPE_CHECKING:
    from urllib3.util import Url

Dialect = Literal["influx1", "influx2", "victoriametrics", "questdb"]

_DIALECTS_OF = {
    "database": ("influx1",),
    "retention_policy": ("influx1",),
    "org": ("influx2",),
    "bucket": ("influx2",),
    "username": ("influx1", "victoriametrics", "questdb"),
}


def parts(url: str) -> "Url":
    """Scheme, host, port and path; ValueError in plain words."""
    # Here: its 5 MB are for gateways that have such a sink, and these options are known to all.
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    try:
        found = parse_url(url)
    except LocationParseError:
        raise ValueError("is not a URL; expected one such as http://192.0.2.10:8086") from None
    if found.scheme not in ("http", "https") or not found.host:
        raise ValueError("is not the URL of a database; expected one such as http://192.0.2.10:8086")
    if found.port == 0:
        raise ValueError("has port 0, which is none")
    if found.auth is not None:
        raise ValueError("must not hold credentials; use username and password_file, or token_file")
    if found.query is not None or found.fragment is not None:
        raise ValueError("must end with the path; database, bucket and the like have options of their own")
    return found


def _checked(url: str) -> str:
    parts(url)
    return url.rstrip("/")


class LineProtocolOptions(PasswordReference, TokenReference):
    """A database that takes line protocol over HTTP."""

    dialect: Dialect
    """Which database it is: influx1, influx2 (also InfluxDB 3), victoriametrics or questdb."""
    url: Annotated[str, AfterValidator(_checked)]
    """Where it answers, such as http://192.0.2.10:8086; without user and password."""
    measurement: str = Field(default="reading", pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,99}$")
    """Name of the measurement (of the table, of the first part of the metric) that readings are written to."""
    database: str | None = Field(default=None, min_length=1)
    """The database in InfluxDB 1; it must exist."""
    retention_policy: str | None = Field(default=None, min_length=1)
    """The retention policy in InfluxDB 1, by default the database's own."""
    org: str | None = Field(default=None, min_length=1)
    """The organisation in InfluxDB 2."""
    bucket: str | None = Field(default=None, min_length=1)
    """The bucket in InfluxDB 2, the database in InfluxDB 3; it must exist."""
    username: str | None = Field(default=None, min_length=1, pattern=r"^[^:]*$")
    """User at the database; the password is given by reference."""
    tls: TlsOptions | None = Field(default=None)
    """Certificates for a URL with https."""
    gzip: bool | None = Field(default=None)
    """Whether requests are compressed; by default they are, but for QuestDB, which cannot unpack them."""
    timeout_s: float = Field(default=30.0, ge=0.5, le=300)
    """Seconds that a request may take from its first to its last byte."""
    batch: int = Field(default=20_000, ge=1, le=50_000)
    """Readings in one request at most."""
    linger_s: float = Field(default=1.0, ge=0, le=60)
    """Seconds to wait until a request is full."""

    @model_validator(mode="after")
    def _of_the_dialect(self) -> Self:
        for option, dialects in _DIALECTS_OF.items():
            if getattr(self, option) is not None and self.dialect not in dialects:
                raise ValueError(f"{option} belongs to {' and '.join(dialects)}, and the dialect is {self.dialect}")
        if self.dialect == "influx1" and self.database is None:
            raise ValueError("influx1 needs database: the name of the database to write to")
        if self.dialect == "influx2" and self.bucket is None:
            raise ValueError("influx2 needs bucket: the name of the bucket to write to")
        if self.dialect == "questdb" and self.gzip:
            raise ValueError("QuestDB cannot unpack gzip; leave gzip out")
        return self

    @model_validator(mode="after")
    def _who_we_are(self) -> Self:
        password = self.password_file or self.password_env or self.password_credential
        if password and self.username is None:
            raise ValueError("influx2 takes a token" if self.dialect == "influx2" else "a password needs a username")
        if self.has_token and self.username is not None:
            raise ValueError("give a token or a username, not both")
        return self

    @model_validator(mode="after")
    def _certificates_need_https(self) -> Self:
        if self.tls is not None and parts(self.url).scheme != "https":
            raise ValueError("tls needs a url that begins with https://")
        return self

    @property
    def compressed(self) -> bool:
        return self.dialect != "questdb" if self.gzip is None else self.gzip

    @property
    def has_token(self) -> bool:
        return (self.token_file or self.token_env or self.token_credential) is not None


def overwrites(options: LineProtocolOptions) -> bool:
    """Whether a version that comes later takes the place of the one before, whichever of them is newer. VictoriaMetrics
    keeps both, and which of two of one instant is found is its own affair."""
    return options.dialect != "victoriametrics"
