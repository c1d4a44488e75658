"""Alerts are delivered to servers that nobody here wrote: a stand-in for Slack, Postfix with Dovecot, and Apprise."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from email.utils import parseaddr
from zoneinfo import ZoneInfo

import pytest
from slack_sdk import WebClient

from cadran.charts.words import Words
from cadran.errors import DeliveryError
from cadran.notify.mail import mail_of, send_mail
from cadran.notify.message import written
from cadran.notify.send import send
from cadran.notify.settings import Notices, Route, Smtp
from cadran.notify.slack import MOST_BLOCKS, blocks_of, send_by_bot, send_by_webhook
from cadran.period import Calendar
from mailserver import DOMAIN, PASSWORD, mail_server  # noqa: F401 - a fixture
from slackserver import Fault, slack_url  # noqa: F401 - a fixture

TOKEN = "xoxb-test-cadran"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f00038001"
    "01c9c1a5d60000000049454e44ae426082"
)
SIGNAL = {
    "key": "k", "cause": "c", "kind": "threshold", "level": "alert", "kpi": "pipeline_coverage", "owner": "RevOps",
    "team": "sales", "segment": {"segment": "SMB"}, "state": "raised", "start": "2026-06-22", "end": "2026-06-29",
    "since": "2026-06-15", "value": 2.1, "usual": 2.5, "low": None, "high": None, "n": 41, "money": "-180000",
    "is_favourable": False, "shape": "", "where": ["segment = 'SMB'"], "with_it": [], "entity": "",
}  # fmt: skip
DOCUMENT = {
    "signal": SIGNAL, "unit": "multiple", "currency": "EUR",
    "names": {"fr": "Couverture du pipeline", "en": "Pipeline coverage"}, "others": {}, "touched": {},
    "labels": {"segment": {"fr": "Segment", "en": "Segment"}, "channel": {"fr": "Canal", "en": "Channel"}},
    "why": {"fr": "L’ARR manquera le quota.", "en": "ARR will miss the quota."},
    "action": {"text": "Prospecter <les> PME & co", "owner": "Ana", "due_on": "2026-07-10"},
    "blame": {"channel": "outbound"}, "as_of": "2026-06-28T22:00:00", "snapshot": "s", "assignee": "Ana",
}  # fmt: skip


def words(language="fr"):
    return Words(language, "EUR", Calendar(), ZoneInfo("Europe/Paris"))


def message(key="k1", language="fr", image=b"", n=1):
    items = [{"what": "raised", "alert": 7 + i, "level": "alert", "document": DOCUMENT} for i in range(n)]
    return written(items, words(language), key=key, cockpit="https://cockpit.acme.com", image=image)


class TestMessage:
    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("fr", ["Nouvelle alerte · Couverture du pipeline", "Segment = SMB", "2,1×", "seuil 2,5×", "15 juin 2026", "−180 k€", "Canal = ", "en cours : Prospecter", "RevOps → Ana", "données connues"]),
            ("en", ["New alert · Pipeline coverage", "Segment = SMB", "2.1×", "threshold 2.5×", "Jun 15, 2026", "−€180k", "Channel = ", "in hand: Prospecter", "RevOps → Ana", "data known"]),
        ],
    )  # fmt: skip
    def test_it_says_what_how_much_since_when_at_stake_cause_next_step_owner_and_slice(self, language, said):
        text = message(language=language).text.replace("\u00a0", " ").replace("\u202f", " ")
        assert [part for part in said if part not in text] == []
        assert "https://cockpit.acme.com/alerts/7" in text

    def test_without_an_action_in_hand_the_next_step_is_a_play_or_what_the_contract_says(self):
        play = {"names": {"fr": "Plan de prospection", "en": "Prospecting plan"}, "owner": {"fr": "SDR", "en": "SDRs"}}
        said = lambda document: written([{"what": "raised", "alert": 7, "document": document}], words(), key="k").text  # noqa: E731
        assert "à essayer : Plan de prospection (SDR)" in said({**DOCUMENT, "action": None, "play": play}).replace(
            "\u00a0", " "
        )
        assert "en cours" in said({**DOCUMENT, "play": play})
        assert "L’ARR manquera le quota." in said({**DOCUMENT, "action": None, "play": None})

    def test_missing_data_names_the_table_and_what_is_not_judged(self):
        signal = {**SIGNAL, "kind": "missing", "entity": "opportunity", "segment": {}, "value": None, "usual": None}
        kept = {**DOCUMENT, "signal": signal, "touched": {"fr": ["Taux de gain"]}}
        found = written([{"what": "raised", "alert": 1, "document": kept}], words(), key="k")
        assert "Pas de données dans opportunity" in found.title
        assert "Taux de gain" in found.text

    def test_blocks_stay_within_limits_and_are_escaped(self):
        found = blocks_of(message(n=60))
        assert len(found) <= MOST_BLOCKS
        assert "&lt;les&gt; PME &amp; co" in json.dumps(found, ensure_ascii=False)

    def test_mail_is_the_same_when_it_is_sent_again(self):
        one, two = (mail_of(message(), "a@b.c", "Cadran <x@acme.com>") for _ in range(2))
        assert one["Message-ID"] == two["Message-ID"]
        assert one["Message-ID"] != mail_of(message("k2"), "a@b.c", "x@acme.com")["Message-ID"]


@pytest.mark.slow
class TestSlack:
    def history(self, url, name="revenue-alerts"):
        client = WebClient(token=TOKEN, base_url=url + "/api/")
        place = next(c["id"] for c in client.conversations_list()["channels"] if c["name"] == name)
        return place, client.conversations_history(channel=place, limit=100)["messages"]

    def test_a_bot_posts_blocks_that_arrive_as_they_were_sent(self, slack_url):  # noqa: F811
        place, before = self.history(slack_url)
        sent = message("intact")
        send_by_bot(sent, place, TOKEN, slack_url + "/api/", maybe_sent=False)
        _, after = self.history(slack_url)
        assert len(after) == len(before) + 1
        newest = max(after, key=lambda m: float(m["ts"]))
        assert newest["blocks"] == blocks_of(sent)
        assert newest["text"] == sent.title

    def test_a_chart_is_uploaded_with_it(self, slack_url):  # noqa: F811
        place, _ = self.history(slack_url)
        send_by_bot(message("chart", image=PNG), place, TOKEN, slack_url + "/api/", maybe_sent=False)
        _, after = self.history(slack_url)
        newest = max(after, key=lambda m: float(m["ts"]))
        assert [b["type"] for b in newest["blocks"]].count("image") == 1

    def test_a_webhook_takes_it(self, slack_url):  # noqa: F811
        # the webhook that the stand-in has from the start posts into its first channel
        _, before = self.history(slack_url, "general")
        send_by_webhook(message("hook"), slack_url + "/services/T000000001/B000000001/X000000001")
        after = self.history(slack_url, "general")[1]
        assert len(after) == len(before) + 1
        assert max(after, key=lambda m: float(m["ts"]))["blocks"] == blocks_of(message("hook"))

    def test_what_slack_refuses_for_good_is_permanent(self, slack_url):  # noqa: F811
        with pytest.raises(DeliveryError, match="channel_not_found") as refused:
            send_by_bot(message(), "CNOPE", TOKEN, slack_url + "/api/", maybe_sent=False)
        assert refused.value.permanent
        with pytest.raises(DeliveryError) as away:
            send_by_webhook(message(), "http://127.0.0.1:9/services/x")
        assert not away.value.permanent
        assert away.value.params["is_unknown"] is False

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that were cut on purpose
    @pytest.mark.parametrize(("how", "is_unknown"), [("429", False), ("accept", True), ("cut", True)])
    def test_a_fault_between_says_whether_it_may_have_arrived(self, slack_url, how, is_unknown):  # noqa: F811
        place, before = self.history(slack_url)
        with Fault(slack_url.removeprefix("http://"), [how]) as fault:
            with pytest.raises(DeliveryError) as failed:
                send_by_bot(message(f"fault {how}"), place, TOKEN, fault.url + "/api/", maybe_sent=False)
            assert failed.value.params["is_unknown"] is is_unknown
            assert failed.value.params["wait"] == (1 if how == "429" else 0)
            send_by_bot(message(f"fault {how}"), place, TOKEN, fault.url + "/api/", maybe_sent=True)
        arrived = len(self.history(slack_url)[1]) - len(before)
        # the bot looks first where the channel keeps what it was told; at worst one repeat, with the same key
        assert 1 <= arrived <= (2 if how == "accept" else 1)


@pytest.mark.slow
class TestMail:
    def smtp(self, server, security, **more):
        port = server.starttls if security == "starttls" else server.tls
        return Smtp("localhost", port, security, "cadran", f"Cadran <alertes@{DOMAIN}>", str(server.ca), **more)

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_it_arrives_whole_over_tls(self, mail_server, security):  # noqa: F811
        mail_server.empty()
        send_mail(message(image=PNG), f"ceo@{DOMAIN}", self.smtp(mail_server, security), PASSWORD)
        (mail,) = mail_server.mails(1)
        assert "Couverture du pipeline" in mail["subject"]
        assert parseaddr(mail["from"])[1] == f"alertes@{DOMAIN}"
        assert mail["auto-submitted"] == "auto-generated"
        assert "https://cockpit.acme.com" in mail["list-unsubscribe"]
        assert "−180" in mail.get_body(("plain",)).get_content()
        assert "<h2" in mail.get_body(("html",)).get_content()
        (image,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
        assert image.get_payload(decode=True) == PNG

    def test_a_wrong_password_and_a_line_without_tls_are_refused_for_good(self, mail_server):  # noqa: F811
        for smtp, password in (
            (self.smtp(mail_server, "starttls"), "wrong"),
            (replace(self.smtp(mail_server, "starttls"), security="none", user=""), ""),
        ):
            with pytest.raises(DeliveryError, match=r"53[05]") as refused:
                send_mail(message(), f"ceo@{DOMAIN}", smtp, password)
            assert refused.value.permanent
        unknown = replace(self.smtp(mail_server, "tls"), ca="")
        with pytest.raises(DeliveryError, match=r"(?i)certificate") as refused:
            send_mail(message(), f"ceo@{DOMAIN}", unknown, PASSWORD)
        assert refused.value.permanent

    def test_a_server_that_is_away_is_tried_again(self):
        with pytest.raises(DeliveryError) as away:
            send_mail(message(), "a@b.c", Smtp("127.0.0.1", 9, "starttls", sender="a@b.c"), "")
        assert not away.value.permanent

    @pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
    def test_apprise_carries_it_to_any_other_address(self, mail_server, monkeypatch):  # noqa: F811
        mail_server.empty()
        monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.ca))
        url = f"mailto://cadran:{PASSWORD}@localhost:{mail_server.starttls}?smtp=localhost&from=alertes@{DOMAIN}&to=ceo@{DOMAIN}&mode=starttls"
        monkeypatch.setenv("CADRAN_APPRISE_URL", url)
        route = Route("other", "apprise", "", "CADRAN_APPRISE_URL")
        known = Notices((route,), Smtp(), "", None, (), datetime.min.time(), "", ZoneInfo("UTC"))
        send(message(), route, known)
        (mail,) = mail_server.mails(1)
        assert "Couverture du pipeline" in mail["subject"]
