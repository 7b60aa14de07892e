"""Messages to the people who run the platform: a webhook, e-mail.

Belongs here: sending. Must not: deciding what is worth a message.
"""

import json
import smtplib
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.error import URLError
from urllib.parse import urlsplit

_SECONDS = 10


@dataclass(frozen=True)
class Notice:
    """One message."""

    subject: str
    text: str


@dataclass(frozen=True)
class Notifier:
    """Sends notices to every channel that is set; none set means nobody is told but the log."""

    webhook_url: str = ""
    mail_to: Sequence[str] = ()
    mail_from: str = ""
    smtp_host: str = ""
    smtp_port: int = 25
    smtp_user: str = ""
    smtp_password: str = ""

    def send(self, notice: Notice) -> list[str]:
        """Send to every channel; return what went wrong, one line per channel (without secrets)."""
        problems = []
        if self.webhook_url:
            try:
                self._post(notice)
            except (OSError, URLError, ValueError) as error:
                host = urlsplit(self.webhook_url).hostname
                problems.append(f"webhook at {host}: {type(error).__name__}")
        if self.smtp_host and self.mail_to:
            try:
                self._mail(notice)
            except (OSError, smtplib.SMTPException) as error:
                problems.append(f"mail through {self.smtp_host}: {type(error).__name__}: {error}")
        return problems

    def _post(self, notice: Notice) -> None:
        """Post the shape that Feishu, and with it most chat tools' adapters, understand."""
        text = f"{notice.subject}\n{notice.text}"
        body = {"msg_type": "text", "content": {"text": text}, "text": text}
        request = urllib.request.Request(
            self.webhook_url,
            data=json.dumps(body, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json; charset=utf-8"},
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:
            reply.read()

    def _mail(self, notice: Notice) -> None:
        message = EmailMessage()
        message["Subject"] = notice.subject
        message["From"] = self.mail_from or self.mail_to[0]
        message["To"] = ", ".join(self.mail_to)
        message.set_content(notice.text)
        with smtplib.SMTP(self.smtp_host, self.smtp_port, timeout=_SECONDS) as server:
            if self.smtp_user:
                server.starttls()
                server.login(self.smtp_user, self.smtp_password)
            server.send_message(message)
