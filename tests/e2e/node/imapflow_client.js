// imapflow, as webmail backends use it: told what happens while it idles, over a compressed
// connection. Takes its settings as JSON in the first argument; says on standard output, a line
// each, where it stands, so that the test can do its part. Ends with status 0 if all was as it
// should be.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const { ImapFlow } = require('imapflow');

const given = JSON.parse(process.argv[2]);
const say = word => process.stdout.write(`${word}\n`);

async function main() {
  const client = new ImapFlow({
    host: given.host,
    port: given.port,
    secure: true,
    tls: { ca: readFileSync(given.ca) },
    auth: { user: given.user, pass: given.password },
    qresync: true,
    logger: false,
  });
  await client.connect();
  for (const name of ['IDLE', 'CONDSTORE', 'QRESYNC', 'COMPRESS=DEFLATE', 'SPECIAL-USE', 'MOVE']) {
    assert.ok(client.capabilities.has(name), name);
  }
  assert.ok(client.enabled.has('QRESYNC') && client.enabled.has('CONDSTORE'));
  assert.ok(client._deflate, 'the connection is compressed');

  const uses = new Map((await client.list()).map(one => [one.specialUse, one.path]));
  for (const use of ['\\Sent', '\\Drafts', '\\Trash', '\\Junk', '\\Archive']) {
    assert.ok(uses.has(use), use);
  }
  const draft = 'Subject: draft\r\n\r\nNot yet.\r\n';
  const appended = await client.append(uses.get('\\Drafts'), draft, ['\\Draft']);
  assert.ok(appended.uid > 0);

  await client.mailboxOpen('INBOX');
  const arrival = once(client, 'exists');
  client.idle();
  say('idling');
  const [exists] = await arrival;
  assert.equal(exists.count, 1);
  const message = await client.fetchOne('*', {
    uid: true, flags: true, envelope: true, bodyStructure: true, source: true, size: true,
  });
  assert.equal(message.envelope.subject, given.token);
  assert.equal(message.source.length, message.size);
  assert.equal(message.bodyStructure.type, 'text/plain');
  assert.deepEqual(await client.search({ subject: given.token }, { uid: true }), [message.uid]);
  assert.deepEqual(await client.search({ body: 'nowhere in it' }, { uid: true }), []);

  const flagged = once(client, 'flags');
  client.idle();
  say('flag it');
  assert.ok((await flagged)[0].flags.has('\\Flagged'));

  await client.messageFlagsAdd(message.uid, ['\\Seen', 'work'], { uid: true });
  const kept = await client.fetchOne(message.uid, { flags: true }, { uid: true });
  kept.flags.delete('\\Recent'); // whether it is, is a matter of which session came first
  assert.deepEqual([...kept.flags].sort(), ['\\Flagged', '\\Seen', 'work']);
  const moved = await client.messageMove(message.uid, uses.get('\\Trash'), { uid: true });
  assert.equal(moved.uidMap.size, 1);

  await client.mailboxOpen(uses.get('\\Trash'));
  const gone = once(client, 'expunge');
  client.idle();
  say('expunge it');
  assert.equal((await gone)[0].vanished, true);
  await client.logout();
}

main().then(
  () => say('done'),
  error => {
    console.error(error);
    process.exit(1);
  }
);
