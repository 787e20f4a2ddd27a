"""The published check arithmetic of national identity numbers: one pure function each, over a value without separators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from scrubber.detectors._pii_rules import luhn

# Printed on sample cards and in advertising.
SSN_ADVERTISED = frozenset(("078051120", "219099999", "457555462", "123456789", "001010001"))
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
# Codice fiscale: what a digit or letter counts on odd places (the first is odd); digits count as A to J.
CODICE_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
VERHOEFF_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def social_security_number(value: str) -> bool:
    """United States: no area 000, 666 or 9xx, no group 00, no serial 0000, and none that was advertised."""
    area, group, serial = value[:3], value[3:5], value[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return False
    repeated = all(len(set(part)) == 1 for part in (area, group, serial))  # 111-22-3333
    return value not in SSN_ADVERTISED and not repeated


def national_insurance_number(value: str) -> bool:
    """United Kingdom: prefixes that are never given out, and those that stand in manuals."""
    return value[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ", "QQ") and value[2:8] not in ("123456", "000000")


def dni(value: str) -> bool:
    """Spain: the letter is the number modulo 23; the number of a foreigner (NIE) begins with X, Y or Z for 0, 1 or 2."""
    number = str("XYZ".find(value[0])) + value[1:-1] if value[0] in "XYZ" else value[:-1]
    return number not in ("12345678", "00000000", "01234567") and DNI_LETTERS[int(number) % 23] == value[-1]


def codice_fiscale(value: str) -> bool:
    """Italy: the last letter is a sum over 15 characters modulo 26, odd and even places counted differently."""
    places = [int(character) if character.isdecimal() else ord(character) - ord("A") for character in value[:15]]
    total = sum(CODICE_ODD[place] for place in places[::2]) + sum(places[1::2])
    day = int(value[9:11]) % 40  # women's days are 40 later
    return chr(ord("A") + total % 26) == value[15] and 1 <= day <= 31


def nir(value: str) -> bool:
    """France: 97 less the first 13 characters modulo 97; Corsican departments 2A and 2B count as 19 and 18."""
    number = value[:13].replace("2A", "19").replace("2B", "18")
    return number.isdecimal() and 97 - int(number) % 97 == int(value[13:]) and value[5:7] != "00"


def steuer_id(value: str) -> bool:
    """Germany: ISO 7064 mod 11,10; of the first ten digits one stands twice or thrice and the rest once at most."""
    repeated = sorted(value.count(digit) for digit in set(value[:10]))
    most = max(value[:10].count(digit) for digit in value[:10])
    if value[0] == "0" or most not in (2, 3) or len(repeated) not in (8, 9):
        return False
    product = 10
    for digit in value[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(value[10])


def pesel(value: str) -> bool:
    """Poland: weights 1 3 7 9 modulo 10; the month tells the century too."""
    total = _weighted(value, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return total % 10 == 0 and _is_day(1900 + int(value[:2]), int(value[2:4]) % 20, int(value[4:6]))


def bsn(value: str) -> bool:
    """Netherlands: weights 9 to 2 and -1 modulo 11."""
    return _weighted(value, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and _is_no_pattern(value)


def cpf(value: str) -> bool:
    """Brazil: two check digits modulo 11."""
    first = _weighted(value, range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(value, range(11, 1, -1)) * 10 % 11 % 10
    return value[9:] == f"{first}{second}" and _is_no_pattern(value) and value[:9] != "111444777"


def aadhaar(value: str) -> bool:
    """India: Verhoeff's check; the first digit is 2 or more."""
    return verhoeff(value) and value[0] not in "01" and _is_no_pattern(value)


def personnummer(value: str) -> bool:
    """Sweden: Luhn over the last ten digits, and a birth date whose day is 60 later for coordination numbers."""
    year, month, day = 1900 + int(value[-10:-8]), int(value[-8:-6]), int(value[-6:-4])
    return luhn(value[-10:]) and _is_day(year, month, day % 60) and value[:-10] in ("", "18", "19", "20")


def social_insurance_number(value: str) -> bool:
    """Canada: Luhn; 0 and 8 are not given out, and 046454286 stands in manuals."""
    return luhn(value) and value[0] not in "08" and value != "046454286" and _is_no_pattern(value)


def verhoeff(number: str) -> bool:
    """Verhoeff's check over a string of digits, in the dihedral group of order ten."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        permuted = int(digit)
        for _ in range(place % 8):
            permuted = VERHOEFF_PERMUTATION[permuted]
        check = _dihedral(check, permuted)
    return check == 0


def _weighted(value: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(value, weights, strict=False))


def _dihedral(left: int, right: int) -> int:
    if left < 5:
        return (left + right) % 5 if right < 5 else (left + right - 5) % 5 + 5
    return (left - 5 - right) % 5 + 5 if right < 5 else (left - right) % 5


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:  # its message quotes nothing, but a caller must not see it either
        # 29 February of a year whose century is unknown
        return (month, day) == (2, 29) and year % 4 == 0
    return True


def _is_no_pattern(value: str) -> bool:
    return len(set(value)) > 3 and "12345678" not in value and "87654321" not in value
