"""A message by the channel of a route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.config import environment
from cadran.errors import DeliveryError, NotSupported
from cadran.notify.settings import secret_of

if TYPE_CHECKING:
    from cadran.notify.message import Message
    from cadran.notify.settings import Notices, Route


def send(message: Message, route: Route, known: Notices, *, maybe_sent: bool = False) -> None:
    """Send a message on its way.

    Args:
        message: What to say.
        route: Its way.
        known: Servers and addresses.
        maybe_sent: True when an earlier try may have arrived.

    Raises:
        DeliveryError: It did not arrive, or nobody knows (``is_unknown`` of its params).
        ConfigError: A secret is missing.
        NotSupported: The channel needs a package that is not installed.
    """
    # libraries of channels are read only where a message goes
    if route.channel == "mail":
        from cadran.notify.mail import send_mail  # noqa: PLC0415

        send_mail(message, route.address, known.smtp, environment(route.secret))
    elif route.channel == "apprise":
        _send_by_apprise(message, secret_of(route))
    elif route.address:
        from cadran.notify.slack import send_by_bot  # noqa: PLC0415

        send_by_bot(message, route.address, secret_of(route), known.slack_api, maybe_sent=maybe_sent)
    else:
        from cadran.notify.slack import send_by_webhook  # noqa: PLC0415

        send_by_webhook(message, secret_of(route))


def _send_by_apprise(message: Message, url: str) -> None:
    try:
        import apprise  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise NotSupported(
            "The engine {engine} needs a package that is not installed: {package}.",
            hint="Install it: pip install 'cadran[{engine}]'.",
            where="alerts.routes",
            engine="apprise",
            package="apprise",
        ) from error
    carrier = apprise.Apprise()
    if not carrier.add(url):
        raise DeliveryError("Apprise does not know this address.", permanent=True, where="apprise", is_unknown=False)
    # the library tells only whether it worked, not why
    if not carrier.notify(title=message.title, body=message.text):
        raise DeliveryError("The message was not taken.", where="apprise", is_unknown=True, wait=0)
