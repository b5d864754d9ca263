import { readAwsSettings } from '../../../runtime/core/aws';
import { errorCode, errorText } from '../../../runtime/core/errors';
import { fullJitter, retryAfterMs } from '../../../runtime/core/retry';

describe('AWS settings', () => {
  test('are those of the SDK, and empty texts are none', () => {
    expect(readAwsSettings({ AWS_REGION: '', AWS_ENDPOINT_URL: '', AWS_S3_FORCE_PATH_STYLE: '' })).toEqual({
      region: undefined,
      endpoint: undefined,
      forcePathStyle: false,
    });
    expect(readAwsSettings({ AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL: 'http://127.0.0.1:9000' })).toEqual({
      region: 'eu-west-1',
      endpoint: 'http://127.0.0.1:9000',
      forcePathStyle: false,
    });
  });

  test.each([
    ['true', true],
    ['TRUE', true],
    ['1', true],
    ['false', false],
    ['False', false],
    ['0', false],
  ])('path style %s is %s', (AWS_S3_FORCE_PATH_STYLE, forcePathStyle) => {
    expect(readAwsSettings({ AWS_S3_FORCE_PATH_STYLE })).toMatchObject({ forcePathStyle });
  });

  test('that cannot be read are named', () => {
    expect(() => readAwsSettings({ AWS_S3_FORCE_PATH_STYLE: 'yes' })).toThrow(
      'AWS_S3_FORCE_PATH_STYLE is "yes": expected true or false',
    );
    expect(() => readAwsSettings({ AWS_ENDPOINT_URL: 'localhost:9000/ x' })).not.toThrow(); // a scheme, as URLs go
    expect(() => readAwsSettings({ AWS_ENDPOINT_URL: 'localhost' })).toThrow(
      'AWS_ENDPOINT_URL is "localhost": expected a URL',
    );
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  test.each([
    [undefined, undefined],
    ['', undefined],
    ['soon', undefined],
    ['-1', undefined],
    ['0', 0],
    ['2', 2000],
    [' 1.5 ', 1500],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
  ])('%p waits %p ms', (header, ms) => expect(retryAfterMs(header, now)).toBe(ms));
});

describe('full jitter', () => {
  const backoff = { initialMs: 100, maxMs: 5000 };
  test.each([
    [0, 100],
    [1, 200],
    [5, 3200],
    [6, 5000],
    [10_000, 5000],
  ])('of attempt %d waits %d ms at most, and anything below', (attempt, longest) => {
    expect(fullJitter(attempt, backoff, () => 1)).toBe(longest);
    expect(fullJitter(attempt, backoff, () => 0)).toBe(0);
    expect(fullJitter(attempt, backoff, () => 0.5)).toBe(longest / 2);
  });
});

describe('what an error says', () => {
  const coded = (code: string, message: string) => Object.assign(new Error(message), { code });
  test.each<[unknown, string]>([
    [new Error('broken'), 'broken'],
    [coded('ENOENT', 'ENOENT: no such file'), 'ENOENT: no such file'],
    [coded('ECONNRESET', 'socket hang up'), 'ECONNRESET: socket hang up'],
    [coded('ECONNREFUSED', ''), 'ECONNREFUSED'],
    [new RangeError(''), 'RangeError'],
    [
      Object.assign(new AggregateError([coded('ECONNREFUSED', 'connect ECONNREFUSED ::1:9')]), {
        code: 'ECONNREFUSED',
      }),
      'connect ECONNREFUSED ::1:9',
    ],
    ['text', 'text'],
    [null, 'null'],
  ])('%p', (error, text) => expect(errorText(error)).toBe(text));

  test('has a code where it is a text', () => {
    expect(errorCode(coded('EIO', ''))).toBe('EIO');
    expect(errorCode(Object.assign(new Error('x'), { code: 7 }))).toBe('');
    expect(errorCode(undefined)).toBe('');
  });
});
