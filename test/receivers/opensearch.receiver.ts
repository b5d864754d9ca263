import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { createDestination } from '../../runtime/flicker/destinations';
import { closeAll, closers } from '../runtime/flicker/destinations/receiver';
import { context, destinationConfig, extraShipment, never } from '../runtime/flicker/destinations/support';
import { nasty } from './program';

/** All that a run writes has names of its own, and is removed after it. */
const run = `holdfast-test-${randomUUID().slice(0, 8)}`;
const made: string[] = [];
let url: string;

beforeAll(async () => {
  url = (process.env.OPENSEARCH_URL ?? '').replace(/\/+$/, '');
  if (!url) {
    throw new Error(
      'OPENSEARCH_URL is not set: set it to an OpenSearch that answers without credentials, such as http://127.0.0.1:9200 after ' +
        '"docker run -p 127.0.0.1:9200:9200 -e discovery.type=single-node -e DISABLE_INSTALL_DEMO_CONFIG=true ' +
        '-e DISABLE_SECURITY_PLUGIN=true opensearchproject/opensearch:2", and run this again',
    );
  }
  const { version } = z.object({ version: z.object({ distribution: z.string() }) }).parse(await ask('GET', '/'));
  expect(version.distribution).toBe('opensearch');
});

afterEach(closeAll);

afterAll(async () => {
  for (const path of made) await ask('DELETE', path);
});

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  // A test that failed early has not made all that is removed after it.
  const gone = method === 'DELETE' && response.status === 404;
  if (!response.ok && !gone)
    throw new Error(`${method} ${path}: OpenSearch answered ${response.status} ${await response.text()}`);
  return response.json();
}

async function opensearch(index: string, settings: object = {}) {
  const config = destinationConfig({ type: 'opensearch', url, index, ...settings });
  const to = await createDestination(config, context);
  closers.push(() => to.close());
  return to;
}

const hits = z.object({
  hits: z.object({
    hits: z.array(
      z.object({
        _id: z.string(),
        _version: z.int(),
        _source: z.record(z.string(), z.unknown()),
        fields: z.object({ '@timestamp': z.array(z.string()) }),
      }),
    ),
  }),
});

/** The documents of an index in the order of their ids, with their time in milliseconds as OpenSearch understood it. */
async function documents(index: string) {
  await ask('POST', `/${index}/_refresh`);
  const docvalue_fields = [{ field: '@timestamp', format: 'epoch_millis' }];
  const found = await ask('POST', `/${index}/_search`, { size: 1000, version: true, docvalue_fields });
  return hits
    .parse(found)
    .hits.hits.map(({ _id, _version, _source, fields }) => ({
      id: _id,
      version: _version,
      source: _source,
      time: Number(fields['@timestamp'][0]),
    }))
    .toSorted((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
}

const time = '2026-01-02T03:04:05.123456789Z';

test.each([{ compression: true }, { compression: false }])(
  'makes each event one document of its id, however often it is sent, compression $compression',
  async ({ compression }) => {
    const prefix = `${run}-${compression ? 'gzip' : 'plain'}`;
    const index = `${prefix}-2026.01.02`;
    made.push(`/${index}`);
    const to = await opensearch(`${prefix}-%Y.%m.%d`, { compression });
    const attributes = { 'container.name': 'wéb' };
    const fields = { n: 1, x: 0.5, ok: true, none: null, list: ['a', 'b'], deep: { b: 'c' } };
    const event = (line: string) => ({ line, time, path: '/p "]', attributes, fields: JSON.stringify(fields) });
    const expected = [...nasty, 'later'].map((line, i) => ({
      id: `id-${i}`,
      version: 1,
      source: { '@timestamp': time, path: '/p "]', message: line, attributes, fields },
      time: Date.parse(time),
    }));

    expect(await to.send(extraShipment(nasty.map(event)), never)).toEqual({ kind: 'accepted' });
    expect(await documents(index)).toEqual(expected.slice(0, -1));
    // Sent again with one that is new: 409 for the others.
    expect(await to.send(extraShipment([...nasty, 'later'].map(event)), never)).toEqual({ kind: 'accepted' });
    expect(await documents(index)).toEqual(expected);
  },
);

test('refuses alone what does not fit the mapping', async () => {
  const index = `${run}-mapping`;
  made.push(`/${index}`);
  await ask('PUT', `/${index}`, { mappings: { properties: { fields: { properties: { n: { type: 'long' } } } } } });
  const to = await opensearch(index);
  const events = [{ n: 1 }, { n: 'no number' }, { n: { deep: 1 } }, { n: 4 }].map((fields, i) => ({
    line: `line ${i}`,
    time,
    fields: JSON.stringify(fields),
  }));
  const reason = 'the receiver answered 400 mapper_parsing_exception';
  expect(await to.send(extraShipment(events), never)).toEqual({
    kind: 'partial',
    refused: [
      { index: 1, reason },
      { index: 2, reason },
    ],
    retry: [],
    reason: '',
    uncertain: false,
  });
  expect((await documents(index)).map(({ id }) => id)).toEqual(['id-0', 'id-3']);
});

test('keeps ids as long as they may be, and hashes those that are longer', async () => {
  const index = `${run}-ids`;
  made.push(`/${index}`);
  const to = await opensearch(index);
  const longest = 'é'.repeat(256);
  const longer = `${longest}x`;
  const events = extraShipment([longest, longer].map((id) => ({ line: 'one', time, id })));
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  const ids = [longest, createHash('sha256').update(longer).digest('hex')];
  expect((await documents(index)).map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
});

test('fills a data stream', async () => {
  const stream = `${run}-stream`;
  // Removed in this order.
  made.push(`/_data_stream/${stream}`, `/_index_template/${stream}`);
  await ask('PUT', `/_index_template/${stream}`, { index_patterns: [stream], data_stream: {} });
  const to = await opensearch(stream);
  const events = extraShipment(['one', 'two'].map((line) => ({ line, time })));
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect((await documents(stream)).map(({ id }) => id)).toEqual(['id-0', 'id-1']);
});

test('has what an index refuses for now sent again', async () => {
  const [open, closed] = [`${run}-2026`, `${run}-2025`];
  made.push(`/${open}`, `/${closed}`);
  await ask('PUT', `/${closed}`, { settings: { 'index.blocks.write': true } });
  const to = await opensearch(`${run}-%Y`);
  const events = extraShipment([
    { line: 'one', time },
    { line: 'two', time: '2025-01-02T03:04:05Z' },
  ]);
  const reason = 'the receiver answered 403 cluster_block_exception for a document';
  const answer = { kind: 'partial', refused: [], retry: [1], reason, uncertain: false };
  expect(await to.send(events, never)).toEqual(answer);
  await ask('PUT', `/${closed}/_settings`, { 'index.blocks.write': false });
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect((await documents(closed)).map(({ id }) => id)).toEqual(['id-1']);
});
