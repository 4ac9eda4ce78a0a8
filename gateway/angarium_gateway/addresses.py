"""Where people are reached, checked as it comes in and written in one way. Nobody is asked whether it exists.

A phone number must have a length that its country has; whether the number is in use (`is_valid_number`) is not asked,
since every new range would be refused until the library knows it.
"""

import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from angarium.apprise_urls import NAME

LONGEST_EMAIL = 320  # 64 before the @ and 255 after it
EXPECTED = "must be a phone number with its country code, like +4930123456"
_WRITTEN = re.compile(r"\+[0-9 ()./-]{3,40}", re.ASCII)  # what else is a number to the library: letters, extensions
_CHAT = re.compile(r"-?[0-9]{1,32}|@[A-Za-z0-9_]{4,64}")
_SLACK = re.compile(r"[CDGUW][A-Z0-9]{2,32}|[#@][^\s,]{1,80}")
_APPRISE = re.compile(NAME)
_TOKEN = re.compile(r"[A-Za-z0-9:_-]{20,4096}")
_REASONS = {
    ValidationResult.TOO_SHORT: "is too short for a phone number of its country",
    ValidationResult.TOO_LONG: "is too long for a phone number of its country",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "lacks its area code",
    ValidationResult.INVALID_COUNTRY_CODE: "begins with the code of no country",
}


def phone(text: str) -> str:
    """A number in E.164 (`+4930123456`), from any usual way to write it with its country code; raises ValueError."""
    if _WRITTEN.fullmatch(text) is None:
        raise ValueError(EXPECTED)
    try:
        number = phonenumbers.parse(text, None)
    except NumberParseException as error:
        unknown = error.error_type == NumberParseException.INVALID_COUNTRY_CODE
        raise ValueError(_REASONS[ValidationResult.INVALID_COUNTRY_CODE] if unknown else EXPECTED) from None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE:
        raise ValueError(_REASONS.get(possible, "is no phone number of its country"))
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def email(text: str) -> str:
    """An address as it should be written (RFC 5321, 6531); raises ValueError."""
    if len(text) > LONGEST_EMAIL:  # the library looks at each character, and then some
        raise ValueError(f"is too long for an address: {LONGEST_EMAIL} characters at most")
    if "=?" in text:
        raise ValueError("must be an address as it is, without encoded words (=?utf-8?q?…?=)")
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def normalize_name(text: str) -> str:
    """A group's name, composed as names are kept."""
    return unicodedata.normalize("NFC", text)


def normalize(channel: str, text: str) -> str:
    """An address of a channel as it is stored; raises ValueError in words for people."""
    match channel:
        case "email":
            return email(text)
        case "sms" | "whatsapp":
            return phone(text)
        case "push":
            return _matching(_TOKEN, "a device's registration token", text)
        case "slack":
            return _matching(_SLACK, "a channel's id (C0123456789) or name (#alerts)", text)
        case "apprise":
            return _matching(_APPRISE, "the name of a URL in the Secret of an apprise provider, or its schema", text)
        case _:
            return _matching(_CHAT, "a chat's id (-1001234567890) or public name (@alerts)", text)


def _matching(pattern: re.Pattern[str], words: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"must be {words}")
    return text
