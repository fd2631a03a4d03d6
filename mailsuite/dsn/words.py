"""Pure. What a status code means to a person, and what that person can try (RFC 3463)."""

# Detail codes (subject.detail) -> what happened, what to try. {host} is the domain of the address.
_EXPLAINED = {
    "1.1": (
        "There is no such address at {domain}.",
        "Check how the address is spelt, or ask for the right one by other means.",
    ),
    "1.2": (
        "There is no mail server for {domain}: the name does not exist.",
        "Check how the part after the @ is spelt.",
    ),
    "1.3": ("The address is not one that mail can be sent to.", "Check how the address is spelt."),
    "1.6": (
        "The person has moved and left no address here.",
        "Ask for the new address by other means.",
    ),
    "1.10": (
        "{domain} says that it takes no mail at all.",
        "Check the part after the @, or reach the person by other means.",
    ),
    "2.1": (
        "The mailbox is there but takes no mail at present.",
        "Reach the person by other means.",
    ),
    "2.2": (
        "The mailbox is full.",
        "Try again in a few days, or tell the person by other means.",
    ),
    "2.3": (
        "The message is larger than the mailbox takes.",
        "Send less at a time, or a link to the files.",
    ),
    "3.4": (
        "The message is larger than the mail server of {domain} takes.",
        "Send less at a time, or a link to the files.",
    ),
    "4.1": (
        "The mail server of {domain} does not answer.",
        "Try again later; if it goes on, tell the people at {domain}.",
    ),
    "4.3": (
        "The mail server of {domain} could not be looked up.",
        "Try again later, and check the part after the @.",
    ),
    "4.4": (
        "No way to the mail server of {domain} is known.",
        "Check how the part after the @ is spelt.",
    ),
    "4.6": (
        "The message went round in circles.",
        "Tell the people who run the mail of {domain}: a forwarding leads back to itself.",
    ),
    "4.7": (
        "It could not be delivered in the time that was given for it.",
        "Send it again if it still matters.",
    ),
    "6.3": (
        "The mail server of {domain} is too old for this message, and the message is signed, so "
        "that it can't be converted.",
        "Send it without a signature, or in plain English letters.",
    ),
    "6.7": (
        "The mail server of {domain} does not know addresses with such letters.",
        "Use an address of plain English letters, for yourself and for the recipient.",
    ),
    "7.1": (
        "The mail server of {domain} refused the message.",
        "Its words below tell the reason. If they don't, ask the people at {domain}.",
    ),
    "7.10": (
        "The mail server of {domain} can't be reached in the secure way that is asked for.",
        "Tell the people at {domain}, or ask your administrator whether plain connections will do.",
    ),
}
_FAILED = (
    "It could not be delivered.",
    "The words below tell the reason. If they don't help you, show them to your administrator.",
)
_SUBJECTS = {
    "2": ("The mailbox does not take it.", "Reach the person by other means."),
    "3": ("The mail server of {domain} could not take it.", "Try again later."),
    "4": ("The mail server of {domain} could not be reached.", "Try again later."),
    "7": _EXPLAINED["7.1"],
}


def explain(status: str, address: str) -> tuple[str, str]:
    """What happened, and what to try, for an enhanced status code; `address` is whom it met."""
    domain = address.rpartition("@")[2] or "this server"
    detail = status.partition(".")[2]
    subject = detail.partition(".")[0]
    happened, advice = _EXPLAINED.get(detail) or _SUBJECTS.get(subject) or _FAILED
    return happened.format(domain=domain), advice.format(domain=domain)
