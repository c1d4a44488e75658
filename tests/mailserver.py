"""Postfix and Dovecot from the distribution, as a mail server with STARTTLS, TLS and passwords, on free ports.

They are started with settings of their own in a folder that is thrown away; both must start as root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import trustme

from postgres import free_port

#: A server keeps the output of its starter open, so that it must not be a pipe.
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PASSWORD, DOMAIN = "secret123", "cadran.test"
DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols =
ssl = no
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
auth_mechanisms = plain login
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/tmp
}}
service auth {{
  user = root
  unix_listener {spool}/private/cadran-auth {{
    mode = 0666
  }}
}}
"""
MAIN = """
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
mynetworks =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_cert_file = {folder}/server.pem
smtpd_tls_key_file = {folder}/server.key
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/cadran-auth
smtpd_recipient_restrictions = permit_sasl_authenticated,reject
smtpd_relay_restrictions = permit_sasl_authenticated,reject
"""
MASTER = """
{starttls} inet n - n - - smtpd
{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class MailServer:
    """A mail server that runs.

    Attributes:
        starttls: Port that starts in the clear and asks for TLS.
        tls: Port that is encrypted from the start.
        ca: File of the certificate that signed its own.
        folder: Its folder.
    """

    starttls: int
    tls: int
    ca: Path
    folder: Path

    def mails(self, wanted: int):
        """The mails that were delivered, oldest first, once there are as many as wanted."""
        for _ in range(100):
            found = sorted((self.folder / "mail" / "box" / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
            if len(found) >= wanted:
                break
            time.sleep(0.1)
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]

    def empty(self):
        """Throw the mails away."""
        for path in (self.folder / "mail" / "box" / "new").glob("*"):
            path.unlink()


def missing() -> str:
    """What keeps the server from running here; empty when nothing does."""
    tools = [name for name in ("postfix", "dovecot") if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
    if tools:
        return f"not installed: {', '.join(tools)}"
    return "" if os.geteuid() == 0 else "Postfix starts as root only"


@pytest.fixture(scope="session")
def mail_server():
    """A mail server for this session; without the tools the tests fail where CI runs, and are skipped elsewhere."""
    if reason := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"The mail server cannot run: {reason}")
    folder = Path(tempfile.mkdtemp(prefix="cadran-mail-", dir="/tmp"))
    folder.chmod(0o755)
    spool, ports = folder / "spool", (free_port(), free_port())
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    own.private_key_pem.write_to_path(folder / "server.key")
    for place, blob in enumerate(own.cert_chain_pems):
        blob.write_to_path(folder / "server.pem", append=place > 0)
    (folder / "server.key").chmod(0o600)
    known = {"folder": folder, "spool": spool, "domain": DOMAIN, "password": PASSWORD}
    for name in ("mail", "data", "etc", "spool"):
        (folder / name).mkdir()
    shutil.chown(folder / "mail", "nobody", "nogroup")
    shutil.chown(folder / "data", "postfix")
    (folder / "etc" / "main.cf").write_text(MAIN.format(**known))
    (folder / "etc" / "master.cf").write_text(MASTER.format(starttls=ports[0], tls=ports[1]))
    (folder / "dovecot.conf").write_text(DOVECOT.format(**known))
    path = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    run = lambda *words: subprocess.run(words, check=True, env=path, **QUIET)  # noqa: E731
    run("postfix", "-c", str(folder / "etc"), "check")
    try:
        run("dovecot", "-c", str(folder / "dovecot.conf"))
        run("postfix", "-c", str(folder / "etc"), "start")
        _wait(ports)
        yield MailServer(*ports, folder / "ca.pem", folder)
    finally:
        for words in (
            ["postfix", "-c", str(folder / "etc"), "stop"],
            ["doveadm", "-c", str(folder / "dovecot.conf"), "stop"],
        ):
            subprocess.run(words, check=False, env=path, timeout=20, **QUIET)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(ports):
    for port in ports:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
