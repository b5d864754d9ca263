import { ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import fc from 'fast-check';
import type { Answer } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { json, protobuf } from '../../../../runtime/flicker/destinations/otlp-encode';
import { keyValues, logRecord } from '../../../../runtime/flicker/destinations/otlp-message';
import { closeAll, closers, receiver, textOf } from './receiver';
import { context, destinationConfig, extraShipment, never, shipment } from './support';

afterEach(closeAll);

const clock = { ...context.clock, now: () => Date.parse('2026-03-04T05:06:07.890Z') };

async function otlp(endpoint: string, settings: object = {}) {
  const destination = await createDestination(destinationConfig({ type: 'otlp', endpoint, ...settings }), {
    ...context,
    clock,
  });
  closers.push(() => destination.close());
  return destination;
}

const time = '2026-01-02T03:04:05.123456789Z';

test('sends JSON as the protocol writes it', async () => {
  const { origin, received } = await receiver((response) => response.end('{"partialSuccess":{}}'));
  const to = await otlp(origin, { encoding: 'json', resource: { 'deployment.environment': 'prod' } });
  const fields = { n: 1, x: 0.5, ok: true, none: null, list: ['a', 2], deep: { b: 'c' } };
  const events = extraShipment([
    { line: 'one', time, attributes: { 'container.name': 'web' }, fields: JSON.stringify(fields) },
    { line: 'two', path: 'api://okta' },
  ]);
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect(received[0]).toMatchObject({
    method: 'POST',
    url: '/v1/logs',
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
  });
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  expect(received.map(textOf).map((body) => JSON.parse(body) as unknown)).toEqual([
    {
      resourceLogs: [
        {
          resource: { attributes: [text('service.name', 'app'), text('deployment.environment', 'prod')] },
          scopeLogs: [
            {
              scope: { name: 'flicker' },
              logRecords: [
                {
                  timeUnixNano: '1767323045123456789',
                  observedTimeUnixNano: '1772600767890000000',
                  body: { stringValue: 'one' },
                  attributes: [
                    { key: 'n', value: { intValue: '1' } },
                    { key: 'x', value: { doubleValue: 0.5 } },
                    { key: 'ok', value: { boolValue: true } },
                    { key: 'none', value: {} },
                    { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { intValue: '2' }] } } },
                    { key: 'deep', value: { kvlistValue: { values: [text('b', 'c')] } } },
                    text('container.name', 'web'),
                    text('log.file.path', '/var/log/app.log'),
                    text('log.record.uid', 'id-0'),
                  ],
                },
                {
                  observedTimeUnixNano: '1772600767890000000',
                  body: { stringValue: 'two' },
                  attributes: [text('url.full', 'api://okta'), text('log.record.uid', 'id-1')],
                },
              ],
            },
          ],
        },
      ],
    },
  ]);
});

/** A message as its fields, those that hold messages read as such where the bytes allow it. */
type Wire = readonly (readonly [number, string | bigint | Wire])[];

function read(bytes: Buffer): Wire {
  const fields: [number, string | bigint | Wire][] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('cut off');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    switch (key & 7) {
      case 0:
        fields.push([key >> 3, varint()]);
        break;
      case 1:
        if (at + 8 > bytes.length) throw new RangeError('cut off');
        fields.push([key >> 3, bytes.readBigUInt64LE(at)]);
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        const content = bytes.subarray(at, at + length);
        if (content.length !== length) throw new RangeError('cut off');
        at += length;
        fields.push([key >> 3, asMessage(content)]);
        break;
      }
      default:
        throw new RangeError('not a message');
    }
  }
  return fields;
}

function asMessage(content: Buffer): string | Wire {
  try {
    if (content.length > 0) return read(content);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return content.toString('hex');
}

/** Without what both forms may leave out: fields of value 0. */
const known = (wire: Wire): unknown[] =>
  wire.flatMap(([number, value]) => (value === 0n ? [] : [[number, typeof value === 'object' ? known(value) : value]]));

const hr = (ns: bigint): [number, number] => [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];

test('protobuf has the fields that the OpenTelemetry library writes', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((one) => !Number.isInteger(one)),
    fc.boolean(),
    fc.array(fc.string(), { maxLength: 3 }),
    fc.dictionary(fc.string({ minLength: 1 }), fc.integer(), { maxKeys: 3, noNullPrototype: true }),
  );
  const fields = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value, { maxKeys: 5, noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fields), { minLength: 1, maxLength: 4 }), (logs) => {
      const observed = 1_772_600_767_890_000_000n;
      const own = protobuf.request(
        keyValues({ 'service.name': 'app' }),
        logs.map(([line, members], i) =>
          protobuf.record(logRecord({ path: '/p', line, id: `id-${i}`, time, fields: members }, String(observed))),
        ),
      );
      const resource = {
        attributes: { 'service.name': 'app' },
        merge: () => resource,
        getRawAttributes: () => [],
      };
      const instrumentationScope = { name: 'flicker' };
      const theirs = ProtobufLogsSerializer.serializeRequest(
        logs.map(([body, members], i) => ({
          hrTime: hr(1_767_323_045_123_456_789n),
          hrTimeObserved: hr(observed),
          body,
          attributes: { ...members, 'log.file.path': '/p', 'log.record.uid': `id-${i}` },
          droppedAttributesCount: 0,
          resource,
          instrumentationScope,
        })),
      );
      expect(known(read(own))).toEqual(known(read(Buffer.from(theirs ?? []))));
    }),
    { numRuns: 50 },
  );
});

test.each(['0001-01-01T00:00:00Z', '1969-12-31T23:59:59.5Z', '2262-04-12T00:00:00Z', '9999-12-31T23:59:59Z'])(
  'an event of %s has no time: receivers count nanoseconds since 1970 in 63 bits',
  (far) => {
    const record = logRecord({ path: '/p', line: 'one', time: far }, '1772600767890000000');
    expect(JSON.parse(String(json.record(record)))).not.toHaveProperty('timeUnixNano');
    expect(known(read(protobuf.record(record)))).toHaveLength(3);
  },
);

test('protobuf is sent as such', async () => {
  const { origin, received } = await receiver((response) => response.end());
  const to = await otlp(origin, { compression: false, auth: { type: 'bearer', token: 't' } });
  expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
  expect(received[0]?.headers).toMatchObject({ 'content-type': 'application/x-protobuf', authorization: 'Bearer t' });
  expect(known(read(received[0]?.body ?? Buffer.alloc(0)))).toHaveLength(1);
});

describe('the answer', () => {
  // ExportLogsServiceResponse { partial_success { rejected_log_records: 300, error_message: "secret" } }
  const rejected = Buffer.from([0x0a, 0x0b, 0x08, 0xac, 0x02, 0x12, 0x06, ...Buffer.from('secret')]);

  test.each([
    ['protobuf', protobuf, Buffer.alloc(0), 0],
    ['protobuf', protobuf, Buffer.from([0x0a, 0x00]), 0],
    ['protobuf', protobuf, Buffer.from([0x0a, 0x03, 0x12, 0x01, 0x61]), 0],
    ['protobuf', protobuf, rejected, 300],
    ['protobuf', protobuf, rejected.subarray(0, 9), undefined],
    ['protobuf', protobuf, rejected.subarray(0, 1), undefined],
    ['protobuf', protobuf, Buffer.from('<html>'), undefined],
    ['json', json, Buffer.from('{}'), 0],
    ['json', json, Buffer.from(''), 0],
    ['json', json, Buffer.from('{"partialSuccess":{"rejectedLogRecords":"7"}}'), 7],
    ['json', json, Buffer.from('{"partialSuccess":{"rejectedLogRecords":7,"errorMessage":"x"}}'), 7],
    ['json', json, Buffer.from('{"partialSuccess":{"errorMessage":"a warning"}}'), 0],
    ['json', json, Buffer.from('<html>'), undefined],
    ['json', json, Buffer.from('1'), undefined],
  ])('%s: how many were rejected', (_, encoding, body, expected) => {
    expect(encoding.rejected(body)).toBe(expected);
  });

  test('keeps all events of a request of which some were rejected: it does not say which', async () => {
    const { origin } = await receiver((response) => response.end(rejected));
    const answer = await (await otlp(origin)).send(shipment(['one', 'two']), never);
    const reason = 'the receiver rejected 300 of 2 records of a request and does not say which';
    expect(answer).toMatchObject({
      kind: 'partial',
      refused: [
        { index: 0, reason },
        { index: 1, reason },
      ],
      retry: [],
    });
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  test.each<[number, string, Partial<Answer>]>([
    [200, '<html>', { kind: 'blocked' }],
    [400, '', { kind: 'too-large' }],
    [401, '', { kind: 'blocked' }],
    [404, '', { kind: 'blocked' }],
    [413, '', { kind: 'too-large' }],
    [429, '', { kind: 'retry', retryAfterMs: 3000, uncertain: false }],
    [502, '', { kind: 'retry', retryAfterMs: 3000 }],
    [503, '', { kind: 'retry', retryAfterMs: 3000 }],
    [504, '', { kind: 'retry', retryAfterMs: 3000 }],
  ])('%i %s', async (status, body, expected) => {
    const { origin } = await receiver((response) => response.writeHead(status, { 'Retry-After': '3' }).end(body));
    expect(await (await otlp(origin)).send(shipment(['one', 'two']), never)).toMatchObject(expected);
  });

  test.each([408, 500, 501])(
    '%i may not be tried again, not in parts either: all of the request is refused',
    async (status) => {
      const { origin, received } = await receiver((response) => response.writeHead(status).end());
      const reason = expect.stringContaining(`the receiver answered ${status}`);
      expect(await (await otlp(origin)).send(shipment(['one', 'two']), never)).toEqual({
        kind: 'partial',
        refused: [0, 1].map((index) => ({ index, reason })),
        retry: [],
        reason: '',
        uncertain: false,
      });
      expect(received).toHaveLength(1);
    },
  );
});

test('a request is of 4 MB at most', async () => {
  const { origin, received } = await receiver((response) => response.end());
  const lines = Array.from({ length: 9 }, () => 'x'.repeat(1_000_000));
  expect(await (await otlp(origin, { compression: false })).send(shipment(lines), never)).toEqual({ kind: 'accepted' });
  expect(received.map(({ body }) => Math.round(body.length / 1_000_000))).toEqual([3, 3, 3]);
});
