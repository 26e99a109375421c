"""What people sign in with, in the one spelling that is stored and compared, by any way in."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

PASSWORD_LENGTHS = (8, 128)  # NIST SP 800-63B, and a bound on what is hashed
EMAIL_LENGTH = 254  # RFC 5321, with the brackets left out
NAME_LENGTH = 200


def normalized_email(address: str) -> str:
    """The address as it is stored: Unicode in NFC, the domain as people read it, in lower case.

    Raises:
        ValueError: it is no address; in words.
    """
    if len(address) > EMAIL_LENGTH:
        raise ValueError(f"must have at most {EMAIL_LENGTH} characters")
    try:
        checked = validate_email(
            address, check_deliverability=False, strict=True, test_environment=True
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return checked.normalized.lower()


def new_password(password: str) -> str:
    """The password, if one may sign in with it.

    Raises:
        ValueError: too short, too long, or with characters that no sign-in lets through.
    """
    least, most = PASSWORD_LENGTHS
    if not least <= len(password) <= most:
        raise ValueError(f"must have {least} to {most} characters")
    return without_control(password)


def new_name(name: str) -> str:
    """The name, or ``ValueError``."""
    if not 1 <= len(name) <= NAME_LENGTH:
        raise ValueError(f"must have 1 to {NAME_LENGTH} characters")
    return without_control(name)


def without_control(text: str) -> str:
    """The text, if it can be stored and shown.

    Raises:
        ValueError: a control character, or half of a surrogate pair (bytes that are no UTF-8).
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ValueError("must not contain control characters")
    return text
