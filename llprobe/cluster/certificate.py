"""The one file that lets machines into a cluster: a certificate, and the key that belongs to it.

Whoever has the file takes part, and nobody else does; it is all that is handed from machine to
machine. A file made by an authority of your own (certificate, key, the authority's certificate)
will do as well.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
from importlib import import_module
from pathlib import Path
from typing import Any

from llprobe.errors import UsageError
from llprobe.files import make_private_folder

__all__ = ["check_certificate", "make_certificate", "security_of", "temporary_security"]


def temporary_security() -> Any:
    """Return dask's security with a certificate that only this process knows; UsageError."""
    try:
        return import_module("distributed").Security.temporary()
    except ImportError as problem:
        raise UsageError(
            "certificates need the package cryptography: pip install 'llprobe[cluster]'"
        ) from problem


def make_certificate(path: Path) -> None:
    """Write a new certificate and its key, for its owner only; it holds for a year.

    Raises UsageError where it cannot be written, or is there already.
    """
    security = temporary_security()
    try:
        make_private_folder(path.parent)
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(opened, "w", encoding="ascii") as file:  # noqa: PTH123 - it is open already
            file.write(security.tls_client_cert + security.tls_client_key)
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from problem


def check_certificate(path: Path) -> None:
    """Raise UsageError for a file that is missing, no certificate with its key, or expired."""
    x509 = import_module("cryptography.x509")
    try:
        ssl.create_default_context().load_cert_chain(path, password="")
        # the first one is the machine's own
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as problem:  # an SSLError is an OSError
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UsageError(
            f"{path} cannot be used as the cluster's file: {reason}; it is a PEM file with a "
            "certificate and its key, as `llprobe cluster scheduler` makes one"
        ) from problem
    if certificate.not_valid_after_utc < dt.datetime.now(dt.UTC):
        raise UsageError(
            f"the certificate in {path} has expired: remove it, let `llprobe cluster scheduler` "
            "make a new one, and hand that over again"
        )


def security_of(path: Path | None) -> Any:
    """Return dask's security by the file of a cluster, or by dask's own settings without one.

    Raises UsageError for a file that cannot be used.
    """
    security: Any = import_module("distributed").Security
    if path is None:
        return security()
    check_certificate(path)
    pem = str(path)
    return security(
        require_encryption=True, tls_ca_file=pem, tls_client_cert=pem, tls_client_key=pem
    )
