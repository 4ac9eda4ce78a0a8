"""Addresses of recipients, by channel: checked when they are accepted, and written in one way only.

Whether anybody lives there, only the carrier can say.
"""

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email

CHAT = re.compile(r"-?[0-9]{1,32}|@[A-Za-z0-9_]{4,64}")
SLACK = re.compile(r"[CDGU][A-Z0-9]{2,32}|[#@][^\s,]{1,80}")
TOKEN = re.compile(r"[A-Za-z0-9:_-]{20,4096}")


def email(text: str) -> str:
    """`jane@example.com`: the domain in lower case, international ones as they are; raises ValueError."""
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError(f"must be an address, like jane@example.com: {error}") from error


def phone(text: str) -> str:
    """E.164, like +4366412345678; raises ValueError."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException as error:
        raise ValueError("must be a number in E.164, like +4366412345678") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("is no possible phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _matching(pattern: re.Pattern[str], words: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"must be {words}")
    return text


def normalize(channel: str, text: str) -> str:
    """The address as it is stored; raises ValueError in words for people."""
    match channel:
        case "email":
            return email(text)
        case "sms" | "whatsapp":
            return phone(text)
        case "push":
            return _matching(TOKEN, "a device's registration token", text)
        case "slack":
            return _matching(SLACK, "a channel's id (C0123456789) or name (#alerts)", text)
        case "telegram":
            return _matching(CHAT, "a chat's id (-1001234567890) or public name (@alerts)", text)
        case _:
            raise ValueError(f"is no channel: {channel[:32]!r}")
