"""An authority of a test's own, and certificates from it."""

import pathlib
import ssl
import subprocess
import tempfile

from brokers import TIME_SCALE


class Authority:
    """Certificates from an authority of its own, in a folder."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="wherry-tls-")
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                 "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
        self.ca = self.path("ca.pem")

    def path(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder.name, check=True, capture_output=True, timeout=60 * TIME_SCALE)

    def issue(self, name, common_name):
        """NAME.pem and NAME.key, for that name and 127.0.0.1."""
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/O=Example/CN={common_name}",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr")
        pathlib.Path(self.path("extensions")).write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
        self.run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                 "-extfile", "extensions", "-out", f"{name}.pem")
        return self.path(f"{name}.pem"), self.path(f"{name}.key")

    def context(self, certificate=None):
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        return context
