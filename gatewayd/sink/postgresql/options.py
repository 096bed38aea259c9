"""What may stand in the configuration of a PostgreSQL sink.

Rules: importable without pg8000. A password only by reference. With a `tls` block the server must show a certificate
for its host name by a CA that is believed; there is no encrypting without looking at whom one talks to.
"""

from pydantic import Field, field_validator

from gatewayd.options import PasswordReference
from gatewayd.sink.tls import TlsOptions


class PostgresqlOptions(PasswordReference):
    """What may stand in the configuration of a PostgreSQL or TimescaleDB sink."""

    host: str = Field(min_length=1)
    """Name or address of the database server."""
    port: int = Field(default=5432, ge=1, le=65535)
    """TCP port of the database server."""
    database: str = Field(min_length=1, max_length=63)
    """Name of the database; it must exist."""
    username: str = Field(min_length=1, max_length=63)
    """Role at the database; the password is given by reference."""
    db_schema: str = Field(default="gatewayd", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """Schema that holds the tables; made when it is not there."""
    tls: TlsOptions | None = Field(default=None)
    """Encrypt the connection and check the server's certificate; without this block nothing is encrypted."""
    timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """Seconds to wait for a connection and for any one answer of the database."""
    batch: int = Field(default=20_000, ge=1, le=50_000)
    """Readings stored in one transaction at most."""
    linger_s: float = Field(default=1.0, ge=0, le=3600)
    """Seconds to wait for a batch to fill up."""

    @field_validator("db_schema")
    @classmethod
    def _not_of_the_system(cls, name: str) -> str:
        if name.startswith("pg_") or name == "information_schema":
            raise ValueError(f"{name} belongs to PostgreSQL itself; take another name")
        return name
