"""Invented values of real formats, drawn from a seed at run time: nothing here is anybody's."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

_ALNUM = string.ascii_letters + string.digits
_FIRST = (
    "Ada Bela Carla Dario Edda Farid Greta Hakim Ilse Jonas Kira Leon Mira Nadia Oskar Petra Quirin Rosa Samir Tilda "
    "Umar Vera Wanda Xenia Yusuf Zora Anton Bodil Cyril Doris"
).split()
_LAST = (
    "Abel Brandt Castell Dorn Eklund Farkas Grimaldi Holt Ivers Jansky Kessler Lorenz Marek Novak Osei Pallas Quint "
    "Rusk Sandoval Tamm Ulrich Vance Wexler Yarrow Zeller Almeida Boateng Cardew Drummond Fiala"
).split()
_COMPANIES = "brightloom tesseraworks quarrylane northkiln fernhollow oxbowdata plumbline saltmarsh copperfield".split()
_ENDINGS = ("com", "io", "net", "org", "co.uk")
_SYSTEMS = (
    "billing ledger search mailer vault metrics gateway orders catalog pricing signup exporter archive router "
    "invoice profile session report cache queue upload tenant audit feed stock parcel quota survey ticket wallet"
).split()
_TEAMS = (
    "alpine harbor cobalt meadow falcon juniper granite lagoon maple nimbus orchid pepper quartz saffron "
    "amber birch cedar delta ember fjord grove heron iris jade kelp lark mango north opal pine"
).split()


def _of(dice: random.Random, alphabet: str, length: int) -> str:
    return "".join(dice.choice(alphabet) for _ in range(length))


def _amazon(dice: random.Random) -> str:
    return "AK" + "IA" + _of(dice, string.ascii_uppercase + "234567", 16)


def _github(dice: random.Random) -> str:
    return "gh" + "p_" + _of(dice, _ALNUM, 36)


def _stripe(dice: random.Random) -> str:
    return "sk_" + "live_" + _of(dice, _ALNUM, 24)


def _slack(dice: random.Random) -> str:
    return "xo" + "xb-" + "-".join((_of(dice, string.digits, 12), _of(dice, string.digits, 12), _of(dice, _ALNUM, 24)))


def _google(dice: random.Random) -> str:
    return "AI" + "za" + _of(dice, _ALNUM + "_-", 35)


_KEYS: tuple[Callable[[random.Random], str], ...] = (_amazon, _github, _stripe, _slack, _google)


def api_key(dice: random.Random) -> str:
    return dice.choice(_KEYS)(dice)


def url_password(dice: random.Random) -> str:
    letters = _of(dice, _ALNUM, dice.randint(11, 14))
    place = dice.randrange(2, len(letters))
    return letters[:place] + dice.choice("!_-.*") + letters[place:] + dice.choice(string.digits)


def email_address(dice: random.Random) -> str:
    """Not made of its owner's name: a name before it must not be enough to guess it."""
    local = f"{dice.choice(_FIRST)[:3]}{dice.choice(('.', '_', ''))}{dice.choice(_LAST)}{dice.randint(10, 999)}".lower()
    return f"{local}@{dice.choice(_COMPANIES)}{dice.choice(('', '-labs', 'hq'))}.{dice.choice(_ENDINGS)}"


def ipv4_address(dice: random.Random) -> str:
    first = dice.choice([n for n in range(20, 220) if n not in (100, 127, 169, 172, 192, 198, 203)])
    return f"{first}.{dice.randint(11, 254)}.{dice.randint(11, 254)}.{dice.randint(11, 254)}"


def phone_number(dice: random.Random) -> str:
    shape = dice.choice(
        (
            "+1 212 {a}-{b}",
            "+1 415 {a}-{b}",
            "+44 20 7{c} {b}",
            "+44 161 4{d} {b}",
            "+49 30 {e}",
            "+33 1 4{f} {f2} {f3} {f4}",
        )
    )
    return shape.format(
        a=f"{dice.randint(2, 4)}{dice.randint(20, 99)}", b=f"{dice.randint(2000, 9999)}", c=f"{dice.randint(100, 899)}",
        d=f"{dice.randint(10, 99)}", e=f"{dice.randint(20000000, 49999999)}",
        f=dice.randint(2, 8), f2=dice.randint(10, 99), f3=dice.randint(10, 99), f4=dice.randint(10, 99),
    )  # fmt: skip


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "api_key": api_key,
    "url_password": url_password,
    "email_address": email_address,
    "phone_number": phone_number,
    "ip_address": ipv4_address,
}


def people(dice: random.Random, count: int) -> list[str]:
    return dice.sample([f"{first} {last}" for first in _FIRST for last in _LAST], count)


def services(dice: random.Random, count: int) -> list[str]:
    return dice.sample([f"{team}_{system}" for team in _TEAMS for system in _SYSTEMS], count)
