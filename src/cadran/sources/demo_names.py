"""Words from which the sample company's people and companies are named; all of them fictional."""

from __future__ import annotations

import re
import unicodedata


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = {
    "FR": _words(
        "Camille Julien Élodie Thomas Aurélie Nicolas Manon Antoine Chloé Maxime Léa Guillaume Sophie Mathieu "
        "Inès Romain Clémence Benoît Juliette Florian Anaïs Quentin Margaux Vincent Hélène Baptiste Noémie "
        "Rémi Amélie Damien Pauline Adrien Céline Olivier Lucie Sébastien Mathilde Fabien Sarah Laurent Nadia "
        "Karim Yasmine Mehdi Agathe Étienne Solène Grégoire Maëlle Cyril"
    ),
    "US": _words(
        "Emily Michael Jessica Joshua Ashley Matthew Amanda Christopher Brittany Andrew Megan Tyler Lauren "
        "Brandon Rachel Justin Hannah Kevin Samantha Ryan Olivia Eric Natalie Jason Danielle Aaron Nicole "
        "Patrick Maria Carlos Priya Wei Aisha Daniel Rebecca Marcus Jasmine Derek Vanessa Scott Alicia Trevor "
        "Paige Victor Grace Nathan Diana Kyle Monica Jordan"
    ),
}

LAST_NAMES = {
    "FR": _words(
        "Lefèvre Garnier Chevalier Rousselot Bonnefoy Marchandise Delorme Perrault Fontanel Giraudeau "
        "Lambertin Moreuil Carpentier Vasselin Tessier Blanchet Renaudin Aubertin Poirson Maillot Guérinet "
        "Barbeau Collinet Dufresnoy Hamelin Jacquemin Kermarrec Laforge Mesnard Noblet Orsini Pellissier "
        "Quesnel Raimbault Sauvageot Thibaudet Urbain Vaillancourt Wattelet Yvernault Zerbib Benhamou Cherif "
        "Diallo Estève Ferrand Gaudin Haddad Imbert Joubert Lacombe Mercadier Nivelle Ozanne Prigent Rivoal "
        "Salomon Touret Vernay Boisselier"
    ),
    "US": _words(
        "Whitfield Harmon Caldwell Brewster Lindgren Okafor Ramirez Castellano Hargrove Pruitt Delacroix "
        "Fairbanks Gallagher Hollister Ingram Jernigan Kowalski Langford Mayfield Norwood Ostrander Pemberton "
        "Quintero Radcliffe Sandoval Thackeray Underhill Vandermeer Wexler Yamamoto Zielinski Abernathy "
        "Blackwood Cortland Dunleavy Ellsworth Finnegan Greenlee Holloway Isakson Jarrett Kincaid Lockhart "
        "Merriweather Nakamura Oglesby Patel Rosenthal Stockton Tillman Upshaw Varga Winslow Youngblood "
        "Zapata Ashcroft Beckett Chandran Dempsey Eastwick"
    ),
}

STEMS = {
    "FR": _words(
        "Valmire Orphéane Brumaire Célestia Dorélac Éolis Ferrandel Galatée Hautecombe Isatis Jonquière "
        "Kerlann Lumèche Mélusine Nérolie Oréade Pervenche Quercy Rocamer Sarment Tilleuil Ursule Véloce "
        "Ysengrin Zéphyrine Arborel Boréale Calmontin Drakkar Estuaire Faverolle Grivelle Hélianthe Indigo "
        "Jasmin Lavandou Morgane Nacelle Olivaie Palissandre Romarin Sarcelle Tamaris Valériane Armorel "
        "Bastide Cyprine Églantier"
    ),
    "US": _words(
        "Bluefield Cedarline Driftmark Eastgate Fernhill Graystone Harborview Ironwick Juniper Keystone "
        "Larkspur Millbrook Northpeak Oakmere Pinecrest Quarry Ridgeway Silverpine Timberfall Upland Vantage "
        "Westmoor Yellowtail Ashbury Brightwater Coppermill Duskfield Elmhurst Foxglove Glenrock Hawthorn "
        "Islander Kettleman Longleaf Maplewood"
    ),
}

ENDINGS = {
    "FR": {
        "Logistique": "Logistics",
        "Conseil": "Consulting",
        "Industries": "Manufacturing",
        "Santé": "Health care",
        "Assurances": "Insurance",
        "Énergie": "Energy",
        "Distribution": "Retail",
        "Ingénierie": "Manufacturing",
        "Formation": "Education",
        "Mobilité": "Logistics",
        "Numérique": "Software",
        "Agro": "Manufacturing",
        "Immobilier": "Real estate",
        "Médias": "Media",
        "Finance": "Insurance",
        "Services": "Consulting",
        "Bâtiment": "Real estate",
        "Laboratoires": "Health care",
        "Systèmes": "Software",
        "Textile": "Retail",
    },
    "US": {
        "Logistics": "Logistics",
        "Consulting": "Consulting",
        "Manufacturing": "Manufacturing",
        "Health": "Health care",
        "Insurance": "Insurance",
        "Energy": "Energy",
        "Retail Group": "Retail",
        "Robotics": "Manufacturing",
        "Learning": "Education",
        "Freight": "Logistics",
        "Software": "Software",
        "Foods": "Manufacturing",
        "Properties": "Real estate",
        "Media": "Media",
        "Capital": "Insurance",
        "Partners": "Consulting",
        "Labs": "Health care",
        "Systems": "Software",
        "Outfitters": "Retail",
        "Networks": "Software",
    },
}

TITLES = {
    "FR": (
        "Directeur commercial",
        "Directrice marketing",
        "Responsable RevOps",
        "Directeur général",
        "Contrôleuse de gestion",
        "Chef de projet CRM",
        "Responsable des ventes",
        "Directrice financière",
    ),
    "US": (
        "VP Sales",
        "Chief Revenue Officer",
        "RevOps Manager",
        "Marketing Director",
        "Sales Operations Analyst",
        "CFO",
        "Head of Growth",
        "CEO",
    ),
}


def slug(text: str) -> str:
    """Lower-case letters and digits joined by hyphens, accents dropped, fit for a domain or an address."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def address(name: str, domain: str) -> str:
    """The mail address of a person at a domain."""
    first, _, last = name.partition(" ")
    return f"{slug(first)}.{slug(last)}@{domain}"
