"""The settings file: every mistake at once with its line, hints, defaults, paths."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.base.errors import UserError
from mailsuite.config import Config, ConfigError, Listener, load, needs_restart, parse, reloaded

FILE = Path("/etc/mailsuite/mail.yaml")


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    return [str(mistake).removeprefix(f"{FILE}:") for mistake in caught.value.mistakes]


def test_an_empty_file_is_the_defaults() -> None:
    assert parse("", FILE).config == Config()
    assert parse("# nothing\nlimits:\nhostname:\n", FILE).config == Config()


def test_values_are_read() -> None:
    config = parse(
        """
hostname: Mail.Bücher.example.
data: mail
user: mail
listeners:
  - {protocol: imap, port: 1143, address: 127.0.0.1}
  - {protocol: smtp, port: 25, address: ["0.0.0.0", "::"], tls: none, name: mx}
tls: {certificate: /a.pem, key: sub/b.pem}
subaddress_separator: ""
limits: {max_message_size: 1.5 GiB, recipients: 100}
queue: {first_retry: 30s, growth: 2, longest_retry: "1 h", lifetime: 2d}
log: {format: json, level: debug}
""",
        FILE,
    ).config
    assert config.hostname == "mail.xn--bcher-kva.example"
    assert config.data == Path("/etc/mailsuite/mail")
    assert config.tls is not None
    assert (config.tls.certificate, config.tls.key) == (
        Path("/a.pem"),
        Path("/etc/mailsuite/sub/b.pem"),
    )
    assert config.limits.max_message_size == 3 << 29
    assert (config.queue.first_retry, config.queue.longest_retry) == (30, 3600)
    assert config.queue.growth == 2
    assert config.queue.lifetime == 172_800
    assert [(e.name, e.address, e.port, e.tls) for e in config.endpoints()] == [
        ("imap", "127.0.0.1", 1143, "starttls"),
        ("mx", "0.0.0.0", 25, "none"),
        ("mx-v6", "::", 25, "none"),
    ]


def test_every_mistake_at_once_with_its_line() -> None:
    assert mistakes(
        """hostname: no_such/name
dta: /var
listeners:
  - protocol: smpt
    port: 70000
    adress: 127.0.0.1
  - port: "25"
    tls: no
    protocol: smtp
    address: [127.0.0.1, localhost]
  - smtp
limits:
  max_message_size: 50 MX
  connections: yes
  recipients: 5
queue:
  first_retry: 5
  lifetime: 5
tls:
  certificate: /a
  Key: /b
outbound: everywhere
subaddress_separator: ab
"""
    ) == [
        '1: hostname: "no_such/name" is not a host name, '
        "expected a host name such as mail.example.org",
        '2: dta: unknown key, did you mean "data"?',
        '4: listeners[0].protocol: "smpt" is not valid, expected smtp, submission, lmtp, odmr,'
        " imap or pop3;"
        ' did you mean "smtp"?',
        "5: listeners[0].port: 70000 is not valid, expected a number from 0 to 65535",
        '6: listeners[0].adress: unknown key, did you mean "address"?',
        '7: listeners[1].port: "25" is not valid, expected a number from 0 to 65535',
        "8: listeners[1].tls: false is not valid, expected none, starttls or implicit",
        '10: listeners[1].address[1]: "localhost" is not an IP address, expected an IP address'
        ' ("0.0.0.0" is every IPv4 one, "::" every IPv6 one), or a list of them',
        '11: listeners[2]: "smtp" is not valid, expected a mapping with keys such as protocol,'
        " address, port, tls",
        '13: limits.max_message_size: "50 MX" has the unknown unit "MX"'
        " (known: B, kB, KB, MB, GB, TB, KiB, MiB, GiB, TiB, k, K, M, G, T),"
        " expected a size from 64 kB to 2 GB"
        ' such as "50 MB", or a number of octets',
        "14: limits.connections: true is not valid, expected a number from 1 to 1000000",
        "15: limits.recipients: 5 is not valid, expected a number from 100 to 100000",
        '17: queue.first_retry: 5 has no unit, expected a duration from 1s to 1d such as "5m"',
        '18: queue.lifetime: 5 has no unit, expected a duration from 1m to 30d such as "5d"',
        "19: tls.key: missing, expected the name of a PEM file",
        '21: tls.Key: unknown key, did you mean "key"?',
        '22: outbound: "everywhere" is not valid, expected direct, smarthost, capture or allowlist',
        '23: subaddress_separator: "ab" can\'t be a separator,'
        ' expected one character such as "+", or "" for none',
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: a\nlog: {}\ndata: b\n", "3: data: given twice, first in line 1; expected once"),
        ("- a\n", "1: a list is not valid, expected a mapping with keys such as hostname, data"),
        ("text", '1: "text" is not valid, expected a mapping'),
        ("a: [\n", "not valid YAML"),
        ("data: /a\n---\ndata: /b\n", "2: not valid YAML: expected a single document"),
        ("data: !!python/object/apply:os.system [id]\n", "1: data: tag"),
        ("data: !env HOME\n", "1: data: tag !env is not allowed, expected a plain value"),
        ("? [a]\n: b\n", "1: a key is a list or mapping, expected a name"),
        ("data: \x07\n", "1: not valid YAML"),
        ("limits: &a\n  b: *a\n", "nested too deep"),
        ("a: " + "[" * 3000, "nested too deep"),
        ("wholly_unrelated: 1\n", "unknown key, expected one of hostname, data, user"),
        ("listeners: []\n", "1: listeners: an empty list is not valid, expected a list of"),
        (
            "listeners:\n- {protocol: smtp, port: 25}\n- {protocol: imap, port: 25, address: '::'}",
            "3: listeners[1].port: :: port 25 is taken by listeners[0]",
        ),
        (
            "listeners:\n- {name: a, protocol: smtp, port: 1}\n"
            "- {name: a, protocol: smtp, port: 2}",
            '3: listeners[1].name: "a" is the name of listeners[0], expected another name',
        ),
        (
            "limits: {connections: 5, connections_per_address: 6}",
            "1: limits.connections_per_address: 6 is more than limits.connections",
        ),
        (
            "queue: {longest_retry: 1m}",
            "1: queue.longest_retry: shorter than queue.first_retry, expected at least 5m",
        ),
        ("outbound: smarthost", '1: outbound: "smarthost" needs one in relay.smarthost'),
        ("relay: {smarthost: {port: 25}}", "1: relay.smarthost.host: missing, expected a host"),
        ("relay: {smarthost: {host: a b}}", '1: relay.smarthost.host: "a b" is not a host name'),
        ("dns:\n  nameservers: [127.0.0.1, 'x']", '2: dns.nameservers[1]: "x" is not an IP'),
        ("dns: {nameservers: '127.0.0.1:0'}", "is not an IP address, with or without a port"),
        ("relay:\n  allow: [a b]", '2: relay.allow[0]: "a b" is not a domain'),
        (
            "relay:\n  destinations:\n  - {domains: x.test, tls: always}",
            '3: relay.destinations[0].tls: "always" is not valid, expected off, opportunistic',
        ),
    ],
)
def test_mistakes_of_form_and_of_sense(text: str, told: str) -> None:
    found = mistakes(text)
    assert any(told in mistake for mistake in found), found


def test_anchors_may_be_used_but_not_to_blow_up() -> None:
    assert parse("hostname: &h mail.example.org\npostmaster: a@b.c\n", FILE).config.hostname
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert len(mistakes(bomb)) < 50


def test_warnings_do_not_stand_in_the_way() -> None:
    loaded = parse(
        "group: mail\nhostname: box\nlisteners:\n- {protocol: imap, port: 143, tls: none}\n", FILE
    )
    assert [str(warning).removeprefix(f"{FILE}:") for warning in loaded.warnings] == [
        '2: hostname: "box" is not fully qualified, expected a name such as mail.example.org',
        "4: listeners[0].tls: nobody can sign in without TLS, expected starttls or implicit",
        "1: group: has no effect without user",
    ]
    assert "makes one of its own" in str(parse("", FILE).warnings[0])
    text = "outbound: direct\nrelay:\n  smarthost: {host: a.test}\n"
    assert "3: relay.smarthost: has no effect" in str(parse(text, FILE).warnings[0])
    assert "relay.allow is empty" in str(parse("outbound: allowlist", FILE).warnings[0])
    text = """
listeners: [{protocol: odmr, port: 366, tls: none}]
relay:
  etrn: branch.test
  atrn: [{account: a@b.test, domains: [branch.test]}]
"""
    clear, etrn = map(str, parse(text, FILE).warnings)
    assert "mail goes in the clear" in clear and "no effect for branch.test" in etrn
    text = "listeners: [{protocol: odmr, port: 366, tls: implicit}]"
    assert "relay.atrn is empty" in str(parse(text, FILE).warnings[0])


def test_who_may_fetch_which_domains() -> None:
    text = "relay: {atrn: [{account: Branch@B.test, domains: .x.test, held: false}]}"
    (found,) = parse(text, FILE).config.relay.atrn
    assert (found.account, found.domains, found.held) == ("Branch@b.test", (".x.test",), False)


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: No such file.*expected the settings file"):
        load(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"# ok\nhostname: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: not UTF-8 text"):
        load(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(UserError, match="larger than"):
        load(path)


def test_what_needs_a_restart() -> None:
    old = Config()
    new = parse("data: /x\nlog: {level: debug}\nlimits: {recipients: 200}\n", FILE).config
    assert needs_restart(old, old) == []
    assert needs_restart(old, new) == ["data"]
    moved = Config(listeners=(Listener(protocol="smtp", port=26),))
    assert needs_restart(old, moved) == ["listeners"]


def test_a_reload_takes_what_it_may_and_no_more() -> None:
    old = parse("relay: {smarthost: {host: a.test}, connections: 7}\noutbound: smarthost\n", FILE)
    text = """
data: /x
quota: {messages: 5}
imap: {unauthenticate: false}
outbound: smarthost
relay: {smarthost: {host: b.test}, etrn: c.test, connections: 8}
"""
    new = parse(text, FILE).config
    assert needs_restart(old.config, new) == ["data", "relay.connections"]
    found = reloaded(old.config, new)
    assert found.quota.messages == 5 and not found.imap.unauthenticate
    assert found.relay.smarthost == new.relay.smarthost and found.relay.etrn == ("c.test",)
    assert found.data == old.config.data and found.relay.connections == 7


@given(st.text(max_size=200))
def test_any_text_is_settings_or_mistakes(text: str) -> None:
    """Invariant: a Config, or a ConfigError whose mistakes have a line of the file."""
    try:
        parse(text, FILE)
    except ConfigError as error:
        assert error.mistakes
        assert all(1 <= mistake.line <= text.count("\n") + 2 for mistake in error.mistakes)


keys = st.sampled_from([*Config.model_fields, "protocol", "port", "address", "growth", "x"])
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


@given(plain)
def test_any_values_are_settings_or_mistakes(value: object) -> None:
    """Invariant: as above, for documents that are well-formed."""
    import yaml

    try:
        parse(yaml.safe_dump(value, allow_unicode=True), FILE)
    except ConfigError as error:
        assert error.mistakes


@pytest.mark.parametrize(
    ("listener", "told"),
    [
        ("{protocol: lmtp, port: 24, address: 127.0.0.1, tls: none}", None),
        ("{protocol: lmtp, port: 24, address: '::1', tls: none}", None),
        ("{protocol: lmtp, port: 24}", None),
        ("{protocol: lmtp, port: 24, tls: implicit}", None),
        ("{protocol: lmtp, port: 24, tls: none, insecure: true}", None),
        ("{protocol: lmtp, address: 'unix:lmtp.sock'}", None),
        ("{protocol: lmtp, address: ['unix:x', 127.0.0.1], port: 24}", None),
        (
            "{protocol: lmtp, port: 24, address: [127.0.0.1, 192.0.2.1], tls: none}",
            "tls: 192.0.2.1 is reached from other machines, which LMTP without TLS must not be,"
            " expected starttls or implicit, a loopback address or a Unix socket,"
            " or insecure: true on a network of your own",
        ),
        (
            "{protocol: lmtp, port: 25, address: 127.0.0.1}",
            "port: 25 is SMTP's (RFC 2033, section 5), expected another such as 24",
        ),
        ("{protocol: imap}", "port: missing, expected a number from 0 to 65535"),
        (
            "{protocol: lmtp, address: ['unix:x', '::1']}",
            "port: missing, expected a number from 0 to 65535",
        ),
        (
            "{protocol: imap, address: 'unix:x'}",
            "address: imap has no Unix sockets, expected IP addresses",
        ),
    ],
)
def test_lmtp_listeners(listener: str, told: str | None) -> None:
    text = f"listeners:\n  - {listener}\n"
    if told is None:
        assert parse(text, FILE).config.endpoints()
    else:
        assert mistakes(text) == [f"2: listeners[0].{told}"]


def test_what_listeners_stand_for() -> None:
    endpoints = parse(
        """
listeners:
  - {protocol: lmtp, port: 24, address: [127.0.0.1, 192.0.2.1]}
  - {protocol: lmtp, port: 24, address: 192.0.2.2, insecure: true}
  - {protocol: lmtp, address: "unix:run/lmtp.sock"}
""",
        FILE,
    ).config.endpoints()
    assert [(e.name, e.address, e.port, e.tls, e.path, e.require_tls) for e in endpoints] == [
        ("lmtp", "127.0.0.1", 24, "starttls", None, False),
        ("lmtp-24", "192.0.2.1", 24, "starttls", None, True),
        ("lmtp-24-2", "192.0.2.2", 24, "starttls", None, False),
        ("lmtp-0", "", 0, "none", Path("/etc/mailsuite/run/lmtp.sock"), False),
    ]
    assert mistakes("listeners:\n" + "  - {protocol: lmtp, address: 'unix:/x'}\n" * 2) == [
        "3: listeners[1].address: unix:/x is taken by listeners[0], expected another"
    ]


def test_listeners_behind_a_proxy() -> None:
    head = "listeners:\n  - {protocol: imap, port: 1, "
    (endpoint, other) = parse(
        head + "proxy_protocol: true, proxy_from: [10.0.0.0/8, '2001:db8::1']}\n", FILE
    ).config.endpoints()
    assert endpoint.proxies == other.proxies == ("10.0.0.0/8", "2001:db8::1/128")
    assert mistakes(head + "proxy_protocol: true}\n") == [
        "2: listeners[0].proxy_protocol: needs the proxies' addresses, expected them in proxy_from"
    ]
    assert mistakes(head + "proxy_protocol: true, proxy_from: 10.0.0.1/8}\n") == [
        '2: listeners[0].proxy_from[0]: "10.0.0.1/8" is not a network, expected an IP address or a'
        ' network such as "10.0.0.0/24", or a list of them'
    ]
    assert mistakes(
        "listeners:\n  - {protocol: lmtp, address: 'unix:x', proxy_protocol: true,"
        " proxy_from: 10.0.0.1}\n"
    ) == [
        "2: listeners[0].proxy_protocol: works for TCP only,"
        " expected another listener for the Unix socket"
    ]
    loaded = parse(head + "tls: implicit, proxy_from: 0.0.0.0/0}\n", FILE)
    assert [str(each).rpartition(": ")[2] for each in loaded.warnings][:2] == [
        "true",
        "anybody can claim any address, expected the proxies' own",
    ]
    assert parse(head + "proxy_from: 10.0.0.1}\n", FILE).config.endpoints()[0].proxies == ()


def test_sign_in_settings_that_contradict_each_other() -> None:
    text = """sign_in:
  ban: 2h
  longest_ban: 1h
  first_delay: 30s
  never_ban: [172.17.0.0/16, nowhere]
  openid:
    issuer: http://id.example.org
    introspection: https://id.example.org/introspect
listeners:
  - {protocol: smtp, port: 25, client_ca: a.pem}
"""
    told = "\n".join(mistakes(text))
    assert "sign_in.never_ban[1]" in told
    assert "sign_in.openid.issuer" in told and "without https" in told
    text = text.replace("http://", "https://").replace(", nowhere", "")
    told = "\n".join(mistakes(text))
    assert "sign_in.longest_ban: shorter than sign_in.ban" in told
    assert "sign_in.longest_delay: shorter" in told
    assert "expected client_id and client_secret" in told
    assert "client_ca: nobody signs in there by a certificate" in told


def test_directories_that_would_show_passwords_or_do_not_hang_together() -> None:
    text = """ldap:
  url: ldap://ldap.example.org
  base: dc=example,dc=org
  domains: example.org
  user: cn=mail,dc=example,dc=org
"""
    told = "\n".join(mistakes(text))
    assert "2: ldap.url: shows passwords to others without TLS" in told
    assert "ldap: expected user and password, or neither" in told
    right = parse(text.replace("ldap://", "ldaps://") + "  password: secret\n", FILE).config.ldap
    assert right is not None and right.domains == ("example.org",)
    assert "is not the address of an LDAP server" in mistakes("ldap: {url: http://x}\n")[0]


def test_off_needs_no_quotes():
    """YAML takes the plain word for a boolean."""
    relay = parse(
        "relay:\n  tls: off\n  smarthost: {host: a.test, tls: off}\n"
        "  destinations: [{domains: b.test, tls: off}]\n",
        FILE,
    ).config.relay
    assert relay.smarthost is not None
    assert (relay.tls, relay.smarthost.tls, relay.destinations[0].tls) == ("off", "off", "off")
    with pytest.raises(ConfigError, match=r"relay\.tls: true is not valid, expected off, opp"):
        parse("relay: {tls: on}", FILE)
