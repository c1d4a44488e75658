"""E-mail: text and HTML with the chart, over TLS, with a Message-ID that is the same when it is sent again."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import formataddr, parseaddr
from html import escape
from mimetypes import guess_type
from typing import TYPE_CHECKING

from cadran.errors import DeliveryError

if TYPE_CHECKING:
    from cadran.notify.message import Item, Message
    from cadran.notify.settings import Smtp

TIMEOUT = 20


def mail_of(message: Message, to: str, sender: str) -> EmailMessage:
    """The message as e-mail: plain text, HTML and, where there are some, the chart inside it and files beside it.

    Args:
        message: What to say.
        to: Address of the reader.
        sender: Address that it comes from, with or without a name.

    References:
        RFC 8058 and RFC 2369 (List-Unsubscribe), RFC 3834 (Auto-Submitted).
    """
    name, address = parseaddr(sender)
    mail = EmailMessage(policy=POLICY)
    mail["From"] = formataddr((name or "Cadran", address))
    mail["To"] = to
    mail["Subject"] = " ".join(message.title.split())
    mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@{address.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Cadran-Key"] = hashlib.sha256(message.key.encode()).hexdigest()[:32]
    stops = [f"<{message.stop}>"] if message.stop else []
    mail["List-Unsubscribe"] = ", ".join([*stops, f"<mailto:{address}?subject=unsubscribe>"])
    mail.set_content(message.text)
    mail.add_alternative(_html(message), subtype="html")
    if message.image:
        part = mail.get_payload()[1]  # type: ignore[index]
        part.add_related(message.image, "image", "png", cid="<chart>")  # type: ignore[union-attr]
    for file, content in message.files:
        kind, _, subkind = (guess_type(file)[0] or "application/octet-stream").partition("/")
        mail.add_attachment(content, kind, subkind, filename=file)
    return mail


def send_mail(message: Message, to: str, smtp: Smtp, password: str) -> None:
    """Send a message by e-mail.

    Raises:
        DeliveryError: It did not arrive, or nobody knows.
    """
    mail = mail_of(message, to, smtp.sender or smtp.user)
    try:
        server = _connected(smtp, password)
    except smtplib.SMTPAuthenticationError as error:
        raise _failed(error, permanent=True) from error
    except (OSError, smtplib.SMTPException) as error:
        raise _failed(error, permanent=isinstance(error, ssl.SSLCertVerificationError)) from error
    try:
        server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _failed(error, permanent=all(code >= 500 for code in codes)) from error
    except smtplib.SMTPResponseException as error:
        raise _failed(error, permanent=error.smtp_code >= 500) from error
    except (OSError, smtplib.SMTPException) as error:
        # the line went dead: the server may have the message
        raise _failed(error, permanent=False, is_unknown=True) from error
    finally:
        _close(server)


def _connected(smtp: Smtp, password: str) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=smtp.ca or None)
    if smtp.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT)
    try:
        if smtp.security == "starttls":
            server.starttls(context=context)
        if smtp.user:
            server.login(smtp.user, password)
    except BaseException:
        _close(server)
        raise
    return server


def _close(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def _failed(error: BaseException, *, permanent: bool, is_unknown: bool = False) -> DeliveryError:
    said = getattr(error, "smtp_error", b"")
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) and said else str(error)
    code = getattr(error, "smtp_code", "")
    return DeliveryError(
        "The mail server did not take the message: {problem}.",
        permanent=permanent,
        where="smtp",
        problem=f"{code} {text}".strip().rstrip("."),
        is_unknown=is_unknown,
        wait=0,
    )


def _html(message: Message) -> str:
    items = "".join(_html_item(item, message.open_label) for item in message.items)
    chart = '<p><img src="cid:chart" alt="" width="600" style="max-width:100%"></p>' if message.image else ""
    label, link = message.link
    all_ = f'<p><a href="{escape(link)}">{escape(label)}</a></p>' if link else ""
    style = "font-family:Helvetica,Arial,sans-serif;font-size:14px;line-height:1.45;color:#1a1f2b"
    return (
        f'<!doctype html><html><body style="{style}">{items}{chart}'
        f'<p style="color:#5a6170">{escape(message.footer)}</p>{all_}</body></html>'
    )


def _html_item(item: Item, label: str) -> str:
    rows = "".join(
        f'<tr><th align="left" valign="top" style="padding-right:12px">{escape(name)}</th><td>{escape(text)}</td></tr>'
        for name, text in item.lines
    )
    link = f'<p><a href="{escape(item.link)}">{escape(label)}</a></p>' if item.link else ""
    return f'<h2 style="font-size:16px">{escape(item.title)}</h2><table>{rows}</table>{link}'
