"""Connections are counted by address, IPv6 by /64."""

from mailsuite.net.limits import ConnectionLimits, network_key


def test_per_address_and_total() -> None:
    limits = ConnectionLimits(total=3, per_address=2)
    assert limits.enter("192.0.2.1")
    assert limits.enter("192.0.2.1")
    assert not limits.enter("192.0.2.1")
    assert limits.enter("192.0.2.2")
    assert not limits.enter("192.0.2.3"), "over the total"
    limits.leave("192.0.2.1")
    assert limits.enter("192.0.2.3")
    assert limits.count == 3


def test_ipv6_is_counted_by_64() -> None:
    limits = ConnectionLimits(total=10, per_address=1)
    assert limits.enter("2001:db8:1:1::1")
    assert not limits.enter("2001:db8:1:1:ffff::2")
    assert limits.enter("2001:db8:1:2::1")


def test_each_kind_of_door_counts_addresses_by_itself() -> None:
    imap = ConnectionLimits(total=4, per_address=2)
    smtp = imap.apart()
    assert imap.enter("192.0.2.1") and imap.enter("192.0.2.1")
    assert not imap.enter("192.0.2.1")
    assert smtp.enter("192.0.2.1"), "that address's mail clients do not stand in its server's way"
    assert smtp.enter("192.0.2.2")
    assert smtp.full and imap.full and smtp.count == imap.count == 4
    assert not imap.enter("192.0.2.3"), "the total is one for all"
    imap.leave("192.0.2.1")
    assert smtp.count == 3 and smtp.enter("192.0.2.1")
    smtp.leave("192.0.2.2")
    smtp.resize(10, 3)
    assert imap.enter("192.0.2.1") and imap.enter("192.0.2.1")
    assert not imap.enter("192.0.2.1")


def test_who_is_on_the_way_is_counted_apart() -> None:
    open_ = ConnectionLimits(total=2, per_address=1)
    way = open_.on_the_way()
    assert way.enter("192.0.2.1") and open_.enter("192.0.2.1")
    assert not way.enter("192.0.2.1") and (way.count, open_.count) == (1, 1)
    open_.resize(1, 5)
    assert not way.enter("192.0.2.1"), "the bounds are those of the door"
    way.leave("192.0.2.1")
    assert way.enter("192.0.2.1")


def test_keys() -> None:
    assert network_key("::ffff:192.0.2.1") == network_key("192.0.2.1")
    assert network_key("fe80::1%eth0") == "fe80::/64"
    assert network_key("") == ""
