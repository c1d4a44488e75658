"""The mappings that come with Cadran, on the exports of each system: the same deals in every language."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cadran.canonical.entities import ENTITIES
from cadran.canonical.mapping import bind, match, shipped_mappings
from cadran.errors import MappingError
from cadran.record import Record, load_yaml
from landing import from_text, land_shipped, raw_table

FACTS = (
    Path(__file__).resolve().parents[2] / "shared" / "data" / "crm-export-headers" / "salesforce-data-export-headers"
)


@pytest.fixture(scope="module")
def shipped():
    return shipped_mappings()


def own(found, entity):
    """The rows of an entity without what is true of the file, and without what no column fills."""
    return sorted(
        (
            {
                k: v
                for k, v in row.items()
                if v is not None and k not in {"_row", "first_seen_at", "last_seen_at", "valid_from"}
            }
            for row in found.tables[entity]
        ),
        key=lambda row: row["id"],
    )


HUBSPOT_EN = """
Record ID | Deal Name | Deal Stage  | Pipeline | Amount   | Currency | Close Date       | Create Date      | Deal owner | Associated Company (Primary) | Closed Lost Reason | Original Source | Date entered "Qualified to buy (Sales)" | Deal Type
101       | Nord      | Closed Won  | Sales    | 12500.5  | EUR      | 2026-03-31 23:30 | 2026-01-15 09:00 | Anna Roy   | Acme                         |                    | Organic Search  | 2026-01-20 10:00                        | New Business
102       | Sud       | Closed Lost | Sales    | 800      | EUR      | 2026-04-01 08:00 | 2026-02-01 10:30 | Bob Lee    | Beta                         | Price              | Paid Search     | 2026-02-03                              | New Business
103       | Est       | Proposal    | Sales    |          | EUR      | 2026-06-30       | 2026-03-01       | Anna Roy   | Acme                         |                    | Direct Traffic  |                                         | Existing Business
"""
HUBSPOT_FR = """
ID de fiche d’informations | Nom de la transaction | Phase de la transaction | Pipeline | Montant     | Devise | Date de fermeture | Date de création | Propriétaire de la transaction | Associated Company (Primary) | Motif de la perte | Source d’origine    | Date d’entrée dans « Qualified to buy (Sales) » | Type de transaction
101                        | Nord                  | Fermé gagné             | Sales    | 12 500,50   | EUR    | 31/03/2026 23:30  | 15/01/2026 09:00 | Anna Roy                       | Acme                         |                   | Recherche organique | 20/01/2026 10:00                                | Nouvelle affaire
102                        | Sud                   | Fermé perdu             | Sales    | 800,00      | EUR    | 01/04/2026 08:00  | 01/02/2026 10:30 | Bob Lee                        | Beta                         | Price             | Recherche payante   | 03/02/2026                                      | Nouvelle affaire
103                        | Est                   | Proposal                | Sales    |             | EUR    | 30/06/2026        | 01/03/2026       | Anna Roy                       | Acme                         |                   | Trafic direct       |                                                 | Client existant
"""


def test_hubspot_deals_in_english_and_french_are_the_same_rows(shipped):
    english, french = (land_shipped(from_text(text), shipped) for text in (HUBSPOT_EN, HUBSPOT_FR))
    assert english.aside == french.aside == []
    told = {"stage", "lead_source"}  # labels are shown as they were written
    for one, other in zip(own(english, "opportunity"), own(french, "opportunity"), strict=True):
        assert {k: v for k, v in one.items() if k not in told} == {k: v for k, v in other.items() if k not in told}
    assert english.only("opportunity", "channel") == ["organic_search", "paid_search", "direct"]
    assert english.only("opportunity", "is_closed", "is_won") == [(True, True), (True, False), (False, False)]
    assert english.only("opportunity", "closed_at") == [datetime(2026, 3, 31, 21, 30), datetime(2026, 4, 1, 6), None]
    assert english.only("opportunity", "expected_close_on")[2] == date(2026, 6, 30)
    assert english.only("opportunity", "type") == ["new", "new", "expansion"]
    assert english.only("opportunity", "amount") == [Decimal("12500.5"), Decimal(800), None]
    steps = [
        ("hubspot:101", "stage", "Qualified to buy", datetime(2026, 1, 20, 9)),
        ("hubspot:102", "stage", "Qualified to buy", datetime(2026, 2, 2, 23)),
    ]
    for found in (english, french):
        assert found.only("field_history", "entity_id", "field", "new_value", "changed_at") == steps


@pytest.mark.parametrize(
    ("stage", "is_closed", "is_won"),
    [
        ("Closed Won", True, True),
        ("closedwon", True, True),
        ("Closed won (Enterprise)", True, True),
        ("Won", True, True),
        ("Fermé gagné", True, True),
        ("Fermée - gagnée", True, True),
        ("Gagné", True, True),
        ("Clôturé gagné", True, True),
        ("Closed Lost", True, False),
        ("closedlost", True, False),
        ("Fermé perdu", True, False),
        ("Perdu", True, False),
        ("Perdue", True, False),
        ("Won't decide yet", False, False),
        ("À gagner", False, False),
        ("Contract sent", False, False),
        ("Négociation", False, False),
    ],
)
def test_the_labels_of_hubspot_stages_say_whether_a_deal_is_over(shipped, stage, is_closed, is_won):
    found = land_shipped(raw_table(["Record ID", "Deal Name", "Deal Stage"], [["1", "A", stage]]), shipped)
    assert found.only("opportunity", "is_closed", "is_won") == [(is_closed, is_won)]


def test_hubspot_says_itself_whether_a_deal_of_any_stage_is_won(shipped):
    text = "Record ID | Deal Name | Deal Stage | Is Deal Closed? | Is Closed Won\n1 | A | Contrat signé | true | true\n2 | B | Stand-by | false |"
    found = land_shipped(from_text(text), shipped)
    assert found.only("opportunity", "is_closed", "is_won") == [(True, True), (False, False)]


def test_hubspot_contacts_are_people_leads_and_their_lifecycle(shipped):
    text = """
Record ID | First Name | Last Name | Email         | Contact owner | Lifecycle Stage | Create Date      | Original Source | Became a Marketing Qualified Lead Date | Became an Opportunity Date | Date entered "Sales Qualified Lead (Lifecycle Stage Pipeline)"
7         | Zoé        | Martin    | Zoe@Acme.com  | Anna Roy      | Customer        | 2026-01-02 08:00 | Email Marketing | 2026-01-05 12:00                       | 2026-02-01                 | 2026-01-20 09:00
8         |            | Dupont    |               |               | Lead            | 2026-01-03       |                 |                                        |                            |
"""
    found = land_shipped(from_text(text), shipped)
    assert found.aside == []
    assert found.only("contact", "name", "email") == [("Zoé Martin", "zoe@acme.com"), ("Dupont", None)]
    assert found.only("lead", "contact_id", "channel") == [("hubspot:7", "email"), ("hubspot:8", None)]
    assert sorted(found.only("lifecycle_event", "to_stage", "occurred_at")) == [
        ("mql", datetime(2026, 1, 5, 11)),
        ("opportunity", datetime(2026, 1, 31, 23)),
        ("sql", datetime(2026, 1, 20, 8)),
    ]


def test_french_hubspot_contacts_are_recognised(shipped):
    text = (
        "ID de fiche d'informations | Prénom | Nom | E-mail | Propriétaire du contact\n1 | Zoé | Martin | z@a.fr | Anna"
    )
    assert land_shipped(from_text(text), shipped).only("contact", "name", "email") == [("Zoé Martin", "z@a.fr")]


def test_hubspot_companies_have_a_domain_and_a_size(shipped):
    text = "Record ID | Company name | Company Domain Name | Company owner | Industry | Number of Employees | Create Date\n1 | Acme | https://www.Acme.com/fr | Anna | SOFTWARE | 1,200 | 2026-01-02 10:00"
    found = land_shipped(from_text(text), shipped)
    assert found.only("account", "name", "domain", "employee_count") == [("Acme", "acme.com", 1200)]


SALESFORCE_EN = """
Opportunity ID     | Opportunity Name | Stage       | Amount Currency | Amount    | Close Date | Created Date | Closed | Won | Opportunity Owner | Account Name | Probability (%) | Lead Source
0061x00000AbCdEAAV | Nord             | Closed Won  | EUR             | 12,500.50 | 3/31/2026  | 1/15/2026    | 1      | 1   | Anna Roy          | Acme         | 100             | Partner Referral
0061x00000AbCdF    | Sud              | Negotiation | EUR             | 1,800.00  | 4/30/2026  | 2/1/2026     | 0      | 0   | Bob Lee           | Beta         | 60%             | Trade Show
"""
SALESFORCE_FR = """
ID de l'opportunité | Nom de l'opportunité | Étape       | Devise du montant | Montant   | Date de clôture | Date de création | Fermé | Gagné | Propriétaire de l'opportunité | Nom du compte | Probabilité (%) | Origine de la piste
0061x00000AbCdEAAV  | Nord                 | Closed Won  | EUR               | 12 500,50 | 31/03/2026      | 15/01/2026       | Vrai  | Oui   | Anna Roy                      | Acme          | 100             | Partenaire
0061x00000AbCdF     | Sud                  | Negotiation | EUR               | 1 800,00  | 30/04/2026      | 01/02/2026       | Faux  | Non   | Bob Lee                       | Beta          | 60%             | Salon
"""


def test_salesforce_reports_in_english_and_french_are_the_same_rows(shipped):
    english, french = (land_shipped(from_text(text), shipped) for text in (SALESFORCE_EN, SALESFORCE_FR))
    for one, other in zip(own(english, "opportunity"), own(french, "opportunity"), strict=True):
        assert {k: v for k, v in one.items() if k != "lead_source"} == {
            k: v for k, v in other.items() if k != "lead_source"
        }
    assert english.only("opportunity", "source_id", "is_closed", "is_won", "probability", "channel") == [
        ("0061x00000AbCdE", True, True, 1.0, "partner"),
        ("0061x00000AbCdF", False, False, 0.6, "event"),
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Opportunity", "salesforce_export_opportunities"),
        ("Lead", "salesforce_export_leads"),
        ("Account", "salesforce_export_accounts"),
        ("Contact", "salesforce_export_contacts"),
        ("User", "salesforce_export_users"),
        ("OpportunityHistory", "salesforce_export_history"),
    ],
)
def test_the_headers_of_the_salesforce_data_export_are_recognised(shipped, file, name):
    if not FACTS.is_dir():
        pytest.skip("the shared data folder (crm-export-headers) is not beside the project")
    headers = (FACTS / f"{file}.header.csv").read_text().strip().replace('"', "").split(",")
    found = match(f"{file}.csv", headers, shipped)
    assert found is not None
    assert found.name == name
    missing = [r.rule.column for r in bind(found, headers).rules() if r.rule.sources and not r.headers]
    assert missing == []
    bound = {r.rule.column for r in bind(found, headers).rules()}
    # these orgs have no record types
    assert {rule.column for entity in found.entities for rule in entity.columns} <= bound | {"pipeline"}


def test_the_data_export_of_salesforce_is_utc_and_its_empty_lookups_are_empty(shipped):
    text = """
Id                 | StageName  | CloseDate  | IsWon | IsClosed | IsDeleted | Name | Amount | AccountId          | OwnerId            | CreatedDate         | SystemModstamp      | CurrencyIsoCode
0061x00000AbCdEAAV | Closed Won | 2026-03-31 | 1     | 1        | 0         | Nord | 100.00 | 000000000000000AAA | 0051x00000AbCdEAAV | 2026-01-15 23:30:00 | 2026-03-31 10:00:00 | USD
0061x00000AbCdFAAV | Closed Won | 2026-03-31 | 1     | 1        | 1         | Sud  | 100.00 | 0011x00000AbCdEAAV | 0051x00000AbCdEAAV | 2026-01-15 23:30:00 | 2026-03-31 10:00:00 | USD
"""
    found = land_shipped(from_text(text), shipped)
    assert found.only("opportunity", "account_id", "created_at", "closed_at", "deleted_at") == [
        (None, datetime(2026, 1, 15, 23, 30), datetime(2026, 3, 30, 22), None),
        (
            "salesforce:0011x00000AbCdE",
            datetime(2026, 1, 15, 23, 30),
            datetime(2026, 3, 30, 22),
            datetime(2026, 3, 31, 10),
        ),
    ]


def test_salesforce_history_reports_are_changes_of_fields(shipped):
    text = "Opportunity ID | From Stage | To Stage | Edit Date | Edited By\n0061x00000AbCdE | Qualif | Proposal | 2026-02-01 10:00 | Anna"
    found = land_shipped(from_text(text), shipped)
    assert found.only("field_history", "entity_id", "field", "old_value", "new_value", "changed_at") == [
        ("salesforce:0061x00000AbCdE", "stage", "Qualif", "Proposal", datetime(2026, 2, 1, 9))
    ]
    text = "Opportunity ID | Field / Event | Old Value | New Value | Edit Date\n0061x00000AbCdE | Amount | 10 | 20 | 2026-02-01"
    assert land_shipped(from_text(text), shipped).only("field_history", "field", "new_value") == [("amount", "20")]


PIPEDRIVE_EN = """
Deal - ID | Deal - Title | Deal - Value | Deal - Currency of Value | Deal - Status | Deal - Stage | Deal - Pipeline | Deal - Organization | Deal - Owner | Deal - Deal created | Deal - Won time     | Deal - Lost time    | Deal - Lost reason | Deal - Expected close date
1         | Nord         | 12500.50     | EUR                      | Won           | Proposal     | Sales           | Acme                | Anna Roy     | 2026-01-15 09:00:00 | 2026-03-31 21:30:00 |                     |                    | 2026-03-31
2         | Sud          | 800          | EUR                      | Lost          | Demo         | Sales           | Beta                | Bob Lee      | 2026-02-01 10:30:00 |                     | 2026-04-01 08:00:00 | Price              |
3         | Est          |              | EUR                      | Open          | Demo         | Sales           | Acme                | Anna Roy     | 2026-03-01 00:00:00 |                     |                     |                    | 2026-06-30
"""
PIPEDRIVE_FR = """
Affaire - ID | Affaire - Titre | Affaire - Valeur | Affaire - Devise | Affaire - Statut | Affaire - Étape | Affaire - Pipeline | Affaire - Organisation | Affaire - Propriétaire | Affaire - Affaire créée | Affaire - Date de gain | Affaire - Heure de l’échec | Affaire - Raison de la perte | Affaire - Date de clôture prévue
1            | Nord            | 12 500,50        | EUR              | Gagnée           | Proposal        | Sales              | Acme                   | Anna Roy               | 15/01/2026 09:00        | 31/03/2026 21:30       |                            |                              | 31/03/2026
2            | Sud             | 800,00           | EUR              | Perdue           | Demo            | Sales              | Beta                   | Bob Lee                | 01/02/2026 10:30        |                        | 01/04/2026 08:00           | Price                        |
3            | Est             |                  | EUR              | En cours         | Demo            | Sales              | Acme                   | Anna Roy               | 01/03/2026 00:00        |                        |                            |                              | 30/06/2026
"""


def test_pipedrive_deals_in_english_and_french_are_the_same_rows(shipped):
    """The dates of won and of lost deals fill one column, and are judged as one."""
    english, french = (land_shipped(from_text(text), shipped) for text in (PIPEDRIVE_EN, PIPEDRIVE_FR))
    assert own(english, "opportunity") == own(french, "opportunity")
    assert english.only("opportunity", "is_closed", "is_won", "closed_at") == [
        (True, True, datetime(2026, 3, 31, 19, 30)),
        (True, False, datetime(2026, 4, 1, 6)),
        (False, False, None),
    ]


def test_a_column_of_lost_dates_that_proves_nothing_is_a_question(shipped):
    """One lost deal, on 1 April or 4 January: nothing tells."""
    text = "Affaire - Titre | Affaire - Statut | Affaire - Date de gain | Affaire - Date de perte\nA | Perdue | | 01/04/2026"
    with pytest.raises(MappingError, match="01/04/2026"):
        land_shipped(from_text(text), shipped)


def test_won_and_lost_dates_in_two_orders_are_a_question(shipped):
    text = "Deal - Title | Deal - Status | Deal - Won time | Deal - Lost time\nA | Won | 31/03/2026 |\nB | Lost | | 04/13/2026"
    with pytest.raises(MappingError, match="1 dates that start with the day and 1 that start with the month"):
        land_shipped(from_text(text), shipped)


@pytest.mark.parametrize(
    ("status", "expected"), [("ouvert", (False, False)), ("gagné", (True, True)), ("perdu", (True, False))]
)
def test_french_words_for_the_status_of_pipedrive(shipped, status, expected):
    found = land_shipped(raw_table(["Affaire - Titre", "Affaire - Statut"], [["A", status]]), shipped)
    assert found.only("opportunity", "is_closed", "is_won") == [expected]


def test_a_status_that_pipedrive_does_not_have_sets_its_row_aside(shipped):
    found = land_shipped(raw_table(["Deal - Title", "Deal - Status"], [["A", "maybe"], ["B", "won"]]), shipped)
    assert [(row["code"], row["value"]) for row in found.aside] == [("bad_value", "maybe")]
    assert found.only("opportunity", "name") == ["B"]


def test_pipedrive_organisations_people_and_leads_are_recognised(shipped):
    text = "Organisation - ID | Organisation - Nom | Organisation - Propriétaire\n5 | Acme | Anna"
    assert land_shipped(from_text(text), shipped).only("account", "id", "name") == [("pipedrive:5", "Acme")]
    text = "Person - ID | Person - Name | Person - Email - Work | Person - Email - Home | Person - Organization\n1 | Zoé | | z@a.fr | Acme"
    assert land_shipped(from_text(text), shipped).only("contact", "name", "email") == [("Zoé", "z@a.fr")]
    text = "Lead - ID | Lead - Title | Lead - Owner | Lead - Source channel | Lead - Lead created\nx-1 | Acme lead | Anna | Webinar | 2026-01-01 10:00:00"
    assert land_shipped(from_text(text), shipped).only("lead", "source_id", "channel") == [("x-1", "event")]


@pytest.mark.parametrize(
    ("headers", "cells"),
    [
        ("Record ID | First Name | Email | Phone Number | Mobile Phone Number", "1 | Zoé | z@a.fr | | 06 12 34 56 78"),
        ("Id | AccountId | LastName | MailingCountry | Phone | MobilePhone", "1 | 2 | Zoé | FR | | 06 12 34 56 78"),
        ("Personne - ID | Personne - Nom | Personne - Téléphone - Travail", "1 | Zoé | 06 12 34 56 78"),
    ],
)
def test_people_have_the_number_that_they_answer(shipped, headers, cells):
    assert land_shipped(from_text(f"\n{headers}\n{cells}\n"), shipped).only("contact", "phone") == ["06 12 34 56 78"]


def test_stripe_subscriptions_keep_interval_discount_and_trial(shipped):
    """T-46: a full discount is a share of 1, a trial has its end."""
    text = """
id    | Customer ID | Customer Email | Plan | Quantity | Currency | Interval | Amount   | Status   | Created (UTC)    | Start (UTC)      | Trial End (UTC)  | Canceled At (UTC) | Ended At (UTC) | Discount
sub_1 | cus_1       | ann@acme.com   | Pro  | 2        | eur      | month    | 1200.00  | active   | 2026-01-20 10:00 | 2026-01-20 10:00 |                  |                   |                |
sub_2 | cus_2       | bob@gmail.com  | Pro  | 1        | usd      | year     | 12000.00 | trialing | 2026-02-01 10:00 | 2026-02-01 10:00 | 2026-03-01 10:00 |                   |                | 100% off forever
sub_3 | cus_1       | ann@acme.com   | Team |          | eur      | month    | 99.99    | canceled | 2025-02-01 10:00 | 2025-02-01 10:00 |                  | 2026-05-03 09:00  | 2026-05-31     | 12.5% off
"""
    found = land_shipped(from_text(text), shipped)
    assert found.aside == []
    assert found.only(
        "subscription", "amount", "currency", "interval", "interval_count", "quantity", "discount_share"
    ) == [
        (Decimal(1200), "EUR", "month", 1, Decimal(2), None),
        (Decimal(12000), "USD", "year", 1, Decimal(1), 1.0),
        (Decimal("99.99"), "EUR", "month", 1, Decimal(1), 0.125),
    ]
    assert found.only("subscription", "started_at")[0] == datetime(2026, 1, 20, 10)
    assert found.only("subscription", "trial_ended_at")[1] == datetime(2026, 3, 1, 10)
    assert found.only("subscription", "cancel_requested_at")[2] == datetime(2026, 5, 3, 9)
    assert found.only("customer", "id", "account_id") == [
        ("stripe:cus_2", "stripe:~domain:gmail.com"),
        ("stripe:cus_1", "stripe:~domain:acme.com"),
    ]


def test_stripe_invoices_and_customers_are_recognised(shipped):
    text = "id | Number | Amount Due | Total | Currency | Status | Customer | Subscription | Created (UTC)\nin_1 | A-1 | 12.00 | 12.00 | eur | paid | cus_1 | sub_1 | 2026-01-20 10:00\nin_2 | A-2 | 5.00 | 5.00 | eur | paid | cus_1 | | 2026-01-21 10:00"
    found = land_shipped(from_text(text), shipped)
    assert found.only("invoice", "customer_id", "amount", "is_recurring") == [
        ("stripe:cus_1", Decimal(12), True),
        ("stripe:cus_1", Decimal(5), False),
    ]
    text = "id | Description | Email | Name | Created (UTC)\ncus_1 | | ann@acme.com | Acme SA | 2026-01-20 10:00"
    assert land_shipped(from_text(text), shipped).only("customer", "name", "customer_since") == [
        ("Acme SA", datetime(2026, 1, 20, 10))
    ]


GOOGLE_EN = "Day | Campaign | Campaign type | Currency code | Cost | Impr. | Clicks | Conversions\n2026-03-01 | Brand | Search | EUR | 1,234.56 | 1,234 | 45 | 3.50\n2026-03-01 | Remarketing | Display | EUR | -- | 0 | 0 | 0.00\n2026-03-01 | Brand | Search | EUR | 10.00 | 5 | 1 | 0.00"
GOOGLE_FR = "Jour | Campagne | Type de campagne | Code de devise | Coût | Impr. | Clics | Conversions\n2026-03-01 | Brand | Recherche | EUR | 1 234,56 | 1 234 | 45 | 3,50\n2026-03-01 | Remarketing | Display | EUR | -- | 0 | 0 | 0,00\n2026-03-01 | Brand | Recherche | EUR | 10,00 | 5 | 1 | 0,00"


def test_google_ads_costs_are_spend_in_both_languages_and_no_line_is_lost(shipped):
    english, french = (land_shipped(from_text(text), shipped) for text in (GOOGLE_EN, GOOGLE_FR))
    for found in (english, french):
        assert found.only("spend", "day_on", "channel", "amount", "impressions", "clicks", "conversions") == [
            (date(2026, 3, 1), "paid_search", Decimal("1234.56"), 1234, 45, Decimal("3.5")),
            (date(2026, 3, 1), "other", None, 0, 0, Decimal(0)),
            (date(2026, 3, 1), "paid_search", Decimal(10), 5, 1, Decimal(0)),
        ]
        assert len({row["id"] for row in found.tables["spend"]}) == 3


def test_linkedin_costs_are_paid_social_spend(shipped):
    text = "Start Date (in UTC) | Campaign Group Name | Campaign Name | Currency | Total Spent | Impressions | Clicks | Leads\n3/1/2026 | ABM | CFO | EUR | 12.50 | 1,000 | 7 | 1\n3/15/2026 | ABM | CFO | EUR | 13.00 | 900 | 5 | 0"
    found = land_shipped(from_text(text), shipped)
    assert found.only("spend", "day_on", "channel", "amount", "impressions") == [
        (date(2026, 3, 1), "paid_social", Decimal("12.5"), 1000),
        (date(2026, 3, 15), "paid_social", Decimal(13), 900),
    ]


@pytest.mark.parametrize(
    "channel",
    [
        "Session primary channel group (Default channel group)",
        "Session primary channel group (Default Channel Group)",
        "Groupe de canaux principal de la session (Groupe de canaux par défaut)",
    ],
)
def test_ga4_sessions_have_a_day_and_a_channel(shipped, channel):
    sessions = "Sessions avec engagement" if channel.startswith("Groupe") else "Engaged sessions"
    rows = [["20260301", "Organic Search", "1234", "800"], ["20260302", "Unassigned", "5", "0"]]
    found = land_shipped(raw_table(["Date", channel, "Sessions", sessions], rows), shipped)
    assert found.only("web_session_daily", "day_on", "channel", "sessions", "engaged_sessions") == [
        (date(2026, 3, 1), "organic_search", 1234, 800),
        (date(2026, 3, 2), None, 5, 0),
    ]


def test_search_console_positions_can_be_averaged_again(shipped):
    for header in ("Date | Clicks | Impressions | CTR | Position", "Date | Clics | Impressions | CTR | Position"):
        found = land_shipped(from_text(f"{header}\n2026-03-01 | 12 | 400 | 3% | 8.5"), shipped)
        assert found.only("search_performance", "day_on", "clicks", "impressions", "position_sum", "is_total") == [
            (date(2026, 3, 1), 12, 400, 3400.0, True)
        ]
    text = "Date | Query | Clicks | Impressions | CTR | Position\n2026-03-01 | crm | 2 | 40 | 5% | 3"
    assert land_shipped(from_text(text), shipped).only("search_performance", "query", "is_total") == [("crm", False)]


@pytest.mark.parametrize(
    ("file", "text", "entity", "columns", "expected"),
    [
        (
            "quotas 2026.csv",
            "metric | scope_type | owner | start_on | end_on | amount | currency\nbookings | owner | Anna Roy | 2026-01-01 | 2026-04-01 | 400000 | EUR",
            "quota",
            ("metric", "owner_id", "start_on", "amount"),
            ("bookings", "cadran:~name:Anna Roy", date(2026, 1, 1), Decimal(400000)),
        ),
        (
            "forecast.csv",
            "start_on | end_on | category | amount | submitted_at\n2026-01-01 | 2026-04-01 | commit | 300000 | 2026-01-05 10:00",
            "forecast_submission",
            ("category", "amount", "submitted_at"),
            ("commit", Decimal(300000), datetime(2026, 1, 5, 9)),
        ),
        (
            "activities.csv",
            "id | type | direction | occurred_at | lead_id | owner_email | channel\n1 | call | out | 2026-01-05 10:00 | 9 | Anna@us.com | phone",
            "activity",
            ("type", "lead_id", "owner_id", "channel"),
            ("call", "cadran:9", "cadran:~email:anna@us.com", "phone"),
        ),
        (
            "taux de change.csv",
            "day_on | from_currency | to_currency | rate\n2026-01-05 | usd | EUR | 0.915436789",
            "fx_rate",
            ("from_currency", "to_currency", "rate"),
            ("USD", "EUR", Decimal("0.915436789")),
        ),
        (
            "stages.csv",
            "pipeline | name | position | category | is_qualified\nSales | Demo | 2 | open | oui",
            "stage",
            ("source_id", "position", "is_qualified"),
            ("Sales:Demo", 2, True),
        ),
        (
            "owners.csv",
            "name | team | region | is_active\nAnna Roy | SMB | West | true",
            "owner",
            ("id", "team", "is_active"),
            ("cadran:Anna Roy", "SMB", True),
        ),
        (
            "lifecycle.csv",
            "lead_id | to_stage | occurred_at\n9 | mql | 2026-01-05 10:00",
            "lifecycle_event",
            ("lead_id", "to_stage"),
            ("cadran:9", "mql"),
        ),
        (
            "opportunities.csv",
            "id | name | stage | amount | is_won | account | account_domain | created_at\n1 | A | Won | 5 | yes | Acme | acme.com | 2026-01-05",
            "opportunity",
            ("id", "account_id", "is_won"),
            ("cadran:1", "cadran:~name:Acme", True),
        ),
    ],
)
def test_files_in_canonical_words_need_no_mapping(shipped, file, text, entity, columns, expected):
    found = land_shipped(from_text(text), shipped, file)
    assert found.aside == []
    assert found.only(entity, *columns) == [expected]


def test_every_landed_entity_can_be_read_from_a_file_in_canonical_words(shipped):
    # what belongs together is decided by people, line by line, and read from no export
    landed = {f"cadran_{name}" for name, entity in ENTITIES.items() if not entity.derived and name != "identity_link"}
    assert landed <= {mapping.name for mapping in shipped}


def test_no_two_shipped_mappings_have_the_same_name(shipped):
    names = [mapping.name for mapping in shipped]
    assert len(names) == len(set(names))


def test_records_of_yaml_are_what_profiles_are_made_of():
    folder = Path(__file__).resolve().parents[1] / "src" / "cadran" / "mappings"
    for path in folder.glob("*.yml"):
        record = load_yaml(path)
        assert isinstance(record, Record)
        assert record["name"] == path.stem
        assert record["optional"] is True


def test_the_reference_rates_of_the_central_bank_are_one_row_per_currency_and_day(shipped):
    text = "Date | USD | JPY | CYP | GBP\n2026-03-02 | 1.0842 | 158.31 | N/A | 0.85583\n2026-03-03 | 1.085 | 158.4 | N/A | 0.856"
    found = land_shipped(from_text(text), shipped)
    rates = found.only("fx_rate", "day_on", "from_currency", "to_currency", "rate")
    assert sorted(rates)[:3] == [
        (date(2026, 3, 2), "EUR", "GBP", Decimal("0.85583")),
        (date(2026, 3, 2), "EUR", "JPY", Decimal("158.31")),
        (date(2026, 3, 2), "EUR", "USD", Decimal("1.0842")),
    ]
    assert len(rates) == 6
