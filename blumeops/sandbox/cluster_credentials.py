"""The cluster's own certificate authority, keys, token and kubeconfig, made once per sandbox.

Nothing here is shared between checkouts, nothing leaves `.sandbox/cluster/` (files 0600, folder 0700), and a
second start finds what the first one made: certificates that changed under a kept etcd would lock it out.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from blumeops.sandbox.layout import Layout
from blumeops.sandbox.supervisor import write_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256

CONTEXT = "sandbox"
LOOPBACK = "127.0.0.1"
NAMESPACE = "argocd"
LIFETIME = timedelta(days=3650)
"""Longer than any sandbox lives: a certificate that ends would look like a broken cluster."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the cluster's credentials are."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The certificate authority's certificate."""
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        """One certificate for 127.0.0.1, of servers and of clients."""
        return self.folder / "loopback.crt"

    @property
    def key(self) -> Path:
        """The private key of `certificate`."""
        return self.folder / "loopback.key"

    @property
    def service_account_key(self) -> Path:
        """The key that signs and verifies service account tokens."""
        return self.folder / "service-account.key"

    @property
    def tokens(self) -> Path:
        """kube-apiserver's static token file: `token,user,uid,group`."""
        return self.folder / "tokens.csv"

    @property
    def token(self) -> Path:
        """The administrator's token alone."""
        return self.folder / "admin.token"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; its one context is `sandbox`."""
        return self.folder / "kubeconfig"

    @property
    def redis(self) -> Path:
        """A folder as Argo CD reads Redis' credentials: the file `auth` holds the password."""
        return self.folder / "redis-credentials"

    @property
    def redis_conf(self) -> Path:
        """Redis' configuration: a password on its command line would be visible to everyone."""
        return self.folder / "redis.conf"


def credentials(layout: Layout) -> Credentials:
    """The credentials of a sandbox; `make` writes them."""
    return Credentials(layout.folder / "cluster")


def make(layout: Layout) -> None:
    """Write every credential that is not there yet, then the files that only repeat them."""
    held = credentials(layout)
    held.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = (held.ca, held.certificate, held.key, held.service_account_key)
    if not all(path.exists() for path in made):
        _make_certificates(held)
    for path in (held.token, held.redis / "auth"):
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
    token, password = held.token.read_text(), (held.redis / "auth").read_text()
    write_private(held.tokens, f'{token},sandbox-admin,sandbox-admin,"system:masters"\n')
    write_private(held.kubeconfig, _kubeconfig(layout, held.ca, token))
    write_private(held.redis_conf, _redis(layout, password))


def _redis(layout: Layout, password: str) -> str:
    return "\n".join(
        (
            "bind 127.0.0.1",
            f"port {layout.port('redis')}",
            f"dir {layout.folder / 'cluster'}",
            # A cache and nothing else: Argo CD fills it again, so nothing is kept.
            'save ""',
            "appendonly no",
            "maxmemory 128mb",
            "maxmemory-policy allkeys-lru",
            f"requirepass {password}",
            "",
        )
    )


def _kubeconfig(layout: Layout, ca: Path, token: str) -> str:
    import yaml

    server = {"server": f"https://127.0.0.1:{layout.port('apiserver')}", "certificate-authority": str(ca)}
    context = {"cluster": CONTEXT, "user": CONTEXT, "namespace": NAMESPACE}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": server}],
            "users": [{"name": CONTEXT, "user": {"token": token}}],
            "contexts": [{"name": CONTEXT, "context": context}],
        },
        sort_keys=False,
    )


def _make_certificates(held: Credentials) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority, ours, accounts = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = (
        _certificate("blumeops sandbox CA", authority, "blumeops sandbox CA")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority, _sha256())
    )
    names = x509.SubjectAlternativeName(
        [
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
            # The address of the service `kubernetes`: the first of the cluster's service range.
            x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
            *(x509.DNSName(name) for name in ("localhost", "kubernetes.default.svc")),
        ]
    )
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    leaf = (
        _certificate("loopback", ours, "blumeops sandbox CA")
        .add_extension(names, critical=False)
        .add_extension(uses, critical=False)
        .sign(authority, _sha256())
    )
    write_private(held.key, _pem(ours))
    write_private(held.service_account_key, _pem(accounts))
    for path, certificate in ((held.ca, root), (held.certificate, leaf)):
        write_private(path, _certificate_pem(certificate))


def _certificate(name: str, key: EllipticCurvePrivateKey, issuer: str) -> x509.CertificateBuilder:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    begin = datetime.now(UTC) - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFETIME)
    )


def _sha256() -> SHA256:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def _pem(key: EllipticCurvePrivateKey) -> str:
    """The key in the form "EC PRIVATE KEY": kube-apiserver takes no other for service accounts."""
    from cryptography.hazmat.primitives import serialization as form

    return key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
    ).decode()


def _certificate_pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()
