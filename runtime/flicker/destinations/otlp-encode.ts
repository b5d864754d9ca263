import { SCOPE, type AnyValue, type KeyValue, type LogRecord } from './otlp-message';

/** One form of requests and answers. Records are encoded one by one, so that a request can be filled up to a size. */
export interface Encoding {
  readonly contentType: string;
  record(record: LogRecord): Buffer;
  request(resource: readonly KeyValue[], records: readonly Buffer[]): Buffer;
  /** How many records the answer says were rejected; undefined when it is not an answer. */
  rejected(body: Buffer): number | undefined;
}

export const json: Encoding = {
  contentType: 'application/json',
  record: (record) => Buffer.from(JSON.stringify(record)),
  request(resource, records) {
    const head =
      `{"resourceLogs":[{"resource":${JSON.stringify({ attributes: resource })},` +
      `"scopeLogs":[{"scope":{"name":"${SCOPE}"},"logRecords":[`;
    const parts = records.flatMap((record, i) => (i === 0 ? [record] : [COMMA, record]));
    return Buffer.concat([Buffer.from(head), ...parts, Buffer.from(']}]}]}')]);
  },
  rejected(body) {
    if (body.length === 0) return 0;
    try {
      const answer: unknown = JSON.parse(body.toString());
      if (typeof answer !== 'object' || answer === null) return undefined;
      const partial = 'partialSuccess' in answer ? answer.partialSuccess : undefined;
      if (typeof partial !== 'object' || partial === null || !('rejectedLogRecords' in partial)) return 0;
      return Number(partial.rejectedLogRecords);
    } catch {
      return undefined;
    }
  },
};

const COMMA = Buffer.from(',');

/** Wire types of Protocol Buffers. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

// Field numbers are those of opentelemetry/proto/{collector/logs,logs,resource,common}/v1.
export const protobuf: Encoding = {
  contentType: 'application/x-protobuf',
  record: ({ timeUnixNano, observedTimeUnixNano, body, attributes }) =>
    Buffer.concat([
      ...(timeUnixNano === undefined ? [] : [fixed64(1, timeUnixNano)]),
      bytes(5, anyValue(body)),
      ...attributes.map((one) => bytes(6, keyValue(one))),
      fixed64(11, observedTimeUnixNano),
    ]),
  request(resource, records) {
    const scope = bytes(1, bytes(1, Buffer.from(SCOPE)));
    const logs = Buffer.concat([scope, ...records.map((record) => bytes(2, record))]);
    const about = Buffer.concat(resource.map((one) => bytes(1, keyValue(one))));
    return bytes(1, Buffer.concat([bytes(1, about), bytes(2, logs)]));
  },
  rejected(body) {
    try {
      const partial = field(body, 1, BYTES);
      return partial === undefined ? 0 : Number(field(partial, 1, VARINT) ?? 0n);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  },
};

function keyValue({ key, value }: KeyValue): Buffer {
  return Buffer.concat([bytes(1, Buffer.from(key)), bytes(2, anyValue(value))]);
}

function anyValue(value: AnyValue): Buffer {
  if ('stringValue' in value) return bytes(1, Buffer.from(value.stringValue));
  if ('boolValue' in value) return Buffer.from([tag(2, VARINT), value.boolValue ? 1 : 0]);
  if ('intValue' in value) return Buffer.from([tag(3, VARINT), ...varint(BigInt.asUintN(64, BigInt(value.intValue)))]);
  if ('doubleValue' in value) {
    const encoded = Buffer.alloc(9);
    encoded[0] = tag(4, FIXED64);
    encoded.writeDoubleLE(value.doubleValue, 1);
    return encoded;
  }
  if ('arrayValue' in value)
    return bytes(5, Buffer.concat(value.arrayValue.values.map((one) => bytes(1, anyValue(one)))));
  if ('kvlistValue' in value)
    return bytes(6, Buffer.concat(value.kvlistValue.values.map((one) => bytes(1, keyValue(one)))));
  return Buffer.alloc(0);
}

const tag = (number: number, type: number) => (number << 3) | type;

function bytes(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag(number, BYTES), ...varint(BigInt(content.length))]), content]);
}

function fixed64(number: number, value: string): Buffer {
  const encoded = Buffer.alloc(9);
  encoded[0] = tag(number, FIXED64);
  encoded.writeBigUInt64LE(BigInt(value), 1);
  return encoded;
}

function varint(value: bigint): number[] {
  const out: number[] = [];
  let left = value;
  for (; left > 127n; left >>= 7n) out.push(Number(left & 127n) | 128);
  return [...out, Number(left)];
}

/** A field of a message, the last one of its number. @throws RangeError when the bytes are no message */
function field(message: Buffer, number: number, type: typeof BYTES): Buffer | undefined;
function field(message: Buffer, number: number, type: typeof VARINT): bigint | undefined;
function field(message: Buffer, number: number, type: number): Buffer | bigint | undefined {
  let at = 0;
  const readVarint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('the message ends in the middle of a number');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  let found: Buffer | bigint | undefined;
  while (at < message.length) {
    const key = Number(readVarint());
    const wire = key & 7;
    let value: Buffer | bigint | undefined;
    if (wire === VARINT) value = readVarint();
    else {
      const size =
        wire === FIXED64 ? 8 : wire === FIXED32 ? 4 : wire === BYTES ? Number(readVarint()) : message.length + 1;
      if (at + size > message.length) throw new RangeError('the message ends in the middle of a field');
      value = message.subarray(at, at + size);
      at += size;
    }
    if (key >> 3 === number && wire === type) found = value;
  }
  return found;
}
