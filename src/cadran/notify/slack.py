"""Slack, by an incoming webhook or a bot: blocks, a chart, buttons that open the cockpit.

A bot can look whether a message arrived whose answer was lost, and does before it sends it again.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError, SlackObjectFormationError
from slack_sdk.models.blocks import ActionsBlock, ContextBlock, DividerBlock, HeaderBlock, SectionBlock
from slack_sdk.models.blocks.basic_components import MarkdownTextObject, PlainTextObject
from slack_sdk.models.blocks.block_elements import ButtonElement
from slack_sdk.webhook import WebhookClient

from cadran.errors import DeliveryError

if TYPE_CHECKING:
    from cadran.notify.message import Item, Message

TIMEOUT = 15
#: What Slack allows: blocks of a message, letters of a title and of a text.
MOST_BLOCKS, TITLE, TEXT = 50, 150, 2900
#: What Slack says that trying again can mend.
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
_METADATA = "cadran_alert"


def blocks_of(message: Message, file_id: str = "") -> list[dict[str, Any]]:
    """The blocks of a message, within Slack's limits.

    Args:
        message: What to say.
        file_id: Slack's id of the chart that was uploaded; empty for none.

    Raises:
        DeliveryError: A block breaks a limit.
    """
    found: list[Any] = [HeaderBlock(text=PlainTextObject(text=_cut(message.title, TITLE), emoji=True))]
    room = (MOST_BLOCKS - 4) // 3
    for item in message.items[:room]:
        found += _of_item(item, message.open_label)
    try:
        blocks = [dict(block.to_dict()) for block in found]
    except SlackObjectFormationError as error:
        raise DeliveryError(
            "Slack does not take this message: {problem}.", permanent=True, where="slack", problem=error
        ) from error
    if file_id:
        blocks.append({"type": "image", "slack_file": {"id": file_id}, "alt_text": _cut(message.title, TEXT)})
    blocks.append(ContextBlock(elements=[MarkdownTextObject(text=_cut(_escaped(message.footer), TEXT))]).to_dict())
    if message.link[1]:
        button = ButtonElement(text=_cut(message.link[0], 75), url=message.link[1], action_id="alerts")
        blocks.append(ActionsBlock(elements=[button]).to_dict())
    return blocks


def send_by_webhook(message: Message, url: str) -> None:
    """Send a message to an incoming webhook, which takes no files: its chart is behind the button.

    Raises:
        DeliveryError: It did not arrive, or nobody knows.
    """
    try:
        answer = WebhookClient(url, timeout=TIMEOUT, retry_handlers=[]).send(
            text=message.title, blocks=blocks_of(message)
        )
    except (OSError, HTTPException, URLError) as error:
        raise _lost(error) from error
    if answer.status_code != HTTPStatus.OK:
        raise _refused(str(answer.body), answer.status_code, answer.headers)


def send_by_bot(message: Message, channel: str, token: str, api: str, *, maybe_sent: bool) -> None:
    """Post a message as a bot, with its chart.

    Args:
        message: What to say.
        channel: Channel, by id or as ``#name``.
        token: The bot's token.
        api: Address of the API.
        maybe_sent: True when an earlier try may have arrived: the channel is looked through first.

    Raises:
        DeliveryError: It did not arrive, or nobody knows.
    """
    # the library would post again by itself after a lost answer: the outbox decides that, and looks first
    client = WebClient(token=token, base_url=api, timeout=TIMEOUT, retry_handlers=[])
    try:
        if maybe_sent and _is_there(client, channel, message.key):
            return
        blocks = blocks_of(message, _uploaded(client, message))
        client.chat_postMessage(
            channel=channel,
            text=message.title,
            blocks=blocks,
            metadata={"event_type": _METADATA, "event_payload": {"key": message.key}},
            unfurl_links=False,
        )
    except SlackApiError as error:
        raise _refused(
            str(error.response.get("error", "")), error.response.status_code, error.response.headers
        ) from error
    except (OSError, HTTPException, URLError, SlackClientError) as error:
        raise _lost(error) from error


def _of_item(item: Item, label: str) -> list[Any]:
    said = "\n".join(f"*{_escaped(name)}* {_escaped(text)}" for name, text in item.lines)
    text = MarkdownTextObject(text=_cut(f"*{_escaped(item.title)}*\n{said}", TEXT))
    if not item.link:
        return [SectionBlock(text=text), DividerBlock()]
    button = ButtonElement(text=_cut(label, 75), url=item.link, action_id=f"alert-{item.number}")
    return [SectionBlock(text=text), ActionsBlock(elements=[button]), DividerBlock()]


def _uploaded(client: WebClient, message: Message) -> str:
    """Slack's id of the chart; empty when there is none or the bot may not upload: words matter more."""
    if not message.image:
        return ""
    try:
        name = f"{hashlib.sha256(message.key.encode()).hexdigest()[:16]}.png"
        answer = client.files_upload_v2(content=message.image, filename=name, title=message.title)
        return str((answer.get("files") or [{}])[0].get("id", ""))
    except (SlackClientError, OSError, HTTPException, URLError):
        return ""


def _is_there(client: WebClient, channel: str, key: str) -> bool:
    """True when the channel holds a message with that key; False too where the bot may not read it."""
    try:
        place = channel if not channel.startswith("#") else _channel_id(client, channel[1:])
        found = client.conversations_history(channel=place, limit=100, include_all_metadata=True)
    except (SlackClientError, OSError, HTTPException, URLError):
        return False
    every = [m.get("metadata") or {} for m in found.get("messages") or []]
    return any((each.get("event_payload") or {}).get("key") == key for each in every)


def _channel_id(client: WebClient, name: str) -> str:
    found = client.conversations_list(limit=1000).get("channels") or []
    return next((str(each["id"]) for each in found if each.get("name") == name), name)


def _refused(problem: str, status: int, headers: Any) -> DeliveryError:
    wait = next((str(v) for k, v in dict(headers or {}).items() if k.lower() == "retry-after"), "")
    is_passing = problem in _PASSING or status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500
    return DeliveryError(
        "Slack answered {status}: {problem}.",
        permanent=not is_passing,
        where="slack",
        status=status,
        problem=problem.rstrip(".") or "?",
        wait=int(wait) if wait.isdigit() else 0,
        # an error of the server may come after it took the message
        is_unknown=status >= 500,
    )


def _lost(error: BaseException) -> DeliveryError:
    reason = getattr(error, "reason", error)
    is_closed = isinstance(reason, ConnectionRefusedError) or "Name or service" in str(reason)
    return DeliveryError(
        "Slack did not answer: {problem}.",
        where="slack",
        problem=str(reason) or type(error).__name__,
        is_unknown=not is_closed,
        wait=0,
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
