"""What does a seller's country decide? Its language, currency and clock."""

from __future__ import annotations

# Language, currency and the capital's time zone of the countries Square serves sellers in.
_MARKETS = {
    "AU": ("en-AU", "AUD", "Australia/Sydney"),
    "CA": ("en-CA", "CAD", "America/Toronto"),
    "ES": ("es-ES", "EUR", "Europe/Madrid"),
    "FR": ("fr-FR", "EUR", "Europe/Paris"),
    "GB": ("en-GB", "GBP", "Europe/London"),
    "IE": ("en-IE", "EUR", "Europe/Dublin"),
    "JP": ("ja-JP", "JPY", "Asia/Tokyo"),
    "US": ("en-US", "USD", "America/New_York"),
}
# ISO 4217 keeps this code for transactions without a currency.
_NO_CURRENCY = "XXX"


def market(country: str) -> dict[str, str]:
    """Return the language and currency of a seller, as Square's answers name them."""
    if country not in _MARKETS:
        return {}
    language, money, _ = _MARKETS[country]
    return {"language_code": language, "currency": money}


def currency(country: str) -> str:
    """Return the currency of all money of a seller."""
    return market(country).get("currency", _NO_CURRENCY)


def timezone(country: str) -> str:
    """Return the time zone of a seller's location."""
    return _MARKETS[country][2] if country in _MARKETS else "UTC"
