import fc from 'fast-check';
import {
  logFileSchema,
  maskingReplacements,
  maskingRules,
  maskingSchema,
  type MaskingConfig,
} from '../../../../contract/flicker';
import { createGrouping, createTransform, type TransformObserver } from '../../../../runtime/flicker/filters';
import { maskPartly, replaceMatches } from '../../../../runtime/flicker/filters/masking';
import { compilePattern } from '../../../../runtime/flicker/filters/pattern';

const masking = (rules: object): MaskingConfig => maskingSchema().parse({ enabled: true, rules });
interface Config {
  match_on?: string[];
  exclude_on?: string[];
  masking?: MaskingConfig;
}
const transform = (config: Config) => {
  const run = createTransform({ match_on: [], exclude_on: [], parse_json: false, masking: undefined, ...config });
  return run && ((line: string) => run(line)?.line);
};
const mask = (rules: object, line: string) => transform({ masking: masking(rules) })?.(line);

test('nothing configured means no transform', () => {
  expect(transform({})).toBeUndefined();
  expect(transform({ masking: maskingSchema().parse({ rules: { email: { enabled: true } } }) })).toBeUndefined();
  expect(transform({ masking: masking({}) })).toBeUndefined();
});

test('the allow list keeps any match, the deny list drops from what is kept', () => {
  const run = transform({ match_on: ['ERROR', 'W(ARN)?:'], exclude_on: ['health', '^debug'] });
  expect(run?.('ERROR disk')).toBe('ERROR disk');
  expect(run?.('W: disk')).toBe('W: disk');
  expect(run?.('info')).toBeUndefined();
  expect(run?.('ERROR /health')).toBeUndefined();
  expect(run?.('debug ERROR')).toBeUndefined();
  expect(transform({ exclude_on: ['x'] })?.('y')).toBe('y');
});

test('filters see the line before it is masked', () => {
  const run = transform({ match_on: ['@example'], masking: masking({ email: { enabled: true } }) });
  expect(run?.('from a@example.com')).toBe('from [EMAIL]');
});

test('built-in rules run first and in their order, custom ones after them as listed', () => {
  const rules = {
    custom: [
      { name: 'marker', pattern: '\\[SSN\\]|[0-9]{3}' },
      { name: 'other', pattern: 'MARKER' },
    ],
    ssn: { enabled: true },
    credit_card: { enabled: true },
  };
  expect(mask(rules, '123-45-6789, 555, 4111-1111-1111-1111')).toBe('[[OTHER]], [[OTHER]], [CREDIT_CARD]');
});

test.each<[(typeof maskingRules)[number], string[], string[]]>([
  [
    'email',
    [
      'a@b.co',
      'first.last+tag@mail.example.org',
      'josé@exämple.de',
      'x_%-1@sub-domain.example.museum',
      '用户@例子.公司',
    ],
    ['a@b', '@example.com', 'a@.com', 'a b.co', 'a@b.c'],
  ],
  [
    'credit_card',
    ['4111111111111111', '4111 1111 1111 1111', '4111-1111-1111-1111', '378282246310005', '1234567890123'],
    ['123456789012', '12345678901234567', '4111.1111.1111.1111', 'x4111111111111111'],
  ],
  ['ssn', ['123-45-6789', 'é123-45-6789'], ['1234-56-7890', '123-45-678', '123-456-789', '123 45 6789']],
  [
    'phone',
    [
      '555-123-4567',
      '(555) 123-4567',
      '(555)123-4567',
      '+1 555 123 4567',
      '+15551234567',
      '1-555-123-4567',
      '555.123.4567',
      '5551234567',
      '1 (555) 123-4567',
    ],
    ['555-1234', '55-123-4567', '555-123-456', '99555-123-4567x', '555/123/4567'],
  ],
  ['ip_address', ['10.0.0.1', '255.255.255.255', '192.168.001.002'], ['256.1.1.1', '1.2.3', '1.2.3.4567', 'a1.2.3.4']],
  [
    'api_key',
    [
      'api_key=abcdefgh12345678',
      'APIKEY: abcdefgh12345678',
      'token = "abcdefgh_1234567',
      'api_key": "abcdefgh12345678',
      'token=abcdefgh-12345678-z',
    ],
    ['api_key=short', 'apikey abcdefgh12345678', 'tokens=abcdefgh12345678', 'key=abcdefgh12345678'],
  ],
])('the built-in rule %s', (name, positive, negative) => {
  const rules = { [name]: { enabled: true } };
  for (const text of positive) {
    expect(mask(rules, text)?.replace(/^é/, '')).toBe(maskingReplacements[name]);
    expect(mask(rules, `<${text}>`)?.replace('é', '')).toBe(`<${maskingReplacements[name]}>`);
  }
  for (const text of negative) expect(mask(rules, text)).toBe(text);
});

test('a replacement and a partial mask of one’s own', () => {
  expect(mask({ ssn: { enabled: true, replacement: '$1\\0' } }, 'a 123-45-6789 b')).toBe('a $1\\0 b');
  const partial = { credit_card: { enabled: true, action: 'partial' } };
  expect(mask(partial, 'pay 4111111111111111 now')).toBe('pay ************1111 now');
  const custom = { name: 'n', pattern: '<[^>]*>', action: 'partial', partial_mask: { keep_last: 2, mask_char: '•' } };
  expect(mask({ custom: [custom] }, 'x <日本😀é> y')).toBe('x ••••é> y');
  expect(mask({ custom: [custom] }, 'x <> y')).toBe('x •• y');
});

test('a partial mask keeps exactly the last characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(12), (text, keep) => {
      const characters = Array.from(text);
      const kept = characters.length <= keep ? 0 : keep;
      const masked = '\0'.repeat(characters.length - kept);
      return maskPartly(text, keep, '\0') === masked + characters.slice(characters.length - kept).join('');
    }),
  );
});

test('masking any text works and leaves what does not match as it is', () => {
  const all = Object.fromEntries(maskingRules.map((name) => [name, { enabled: true }]));
  const run = transform({ masking: masking({ ...all, custom: [{ name: 'empty', pattern: 'q*' }] }) });
  const units = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('@', '1', '.', '-', 'a@b.co', '\ud800'));
  fc.assert(
    fc.property(fc.array(units), (parts) => {
      const line = parts.join('');
      const out = run?.(line) ?? '';
      return out === line || /[@0-9q]|\p{N}/u.test(line);
    }),
  );
});

test('a rule whose searches take too long masks the rest of the line', () => {
  const pattern = compilePattern('a.*b|a', 'key', () => {});
  if (!pattern) throw new Error('the pattern did not compile');
  expect(replaceMatches('a a a', pattern, () => '#', -1)).toBe('#');
  expect(replaceMatches('a a a', pattern, () => '#')).toBe('# # #');
});

test('no pattern hangs', () => {
  const started = performance.now();
  const run = transform({ match_on: ['^(a+)+$', '(a|a)*b', '([a-z]+)*=', '(.*a){12}b'] });
  expect(run?.(`${'a'.repeat(50_000)}!`)).toBeUndefined();
  expect(performance.now() - started).toBeLessThan(5000);
});

test('what is not supported is refused by key, with what is supported', () => {
  const config = {
    match_on: ['ok', '(?=x)'],
    exclude_on: ['(a)\\1', '(?<!x)y'],
    masking: masking({
      custom: [
        { name: 'n', pattern: 'a{5000}' },
        { name: 'm', pattern: '(' },
      ],
    }),
  };
  let message = '';
  try {
    transform(config);
  } catch (error) {
    message = String(error);
  }
  expect(message).toMatch(/match_on\[1\]: look-around is not supported .* in pattern "\(\?=x\)"; patterns are RE2/);
  expect(message).toMatch(/exclude_on\[0\]: back-references are not supported/);
  expect(message).toMatch(/exclude_on\[1\]: look-around/);
  expect(message).toMatch(/masking\.rules\.custom\[0\]\.pattern: invalid repeat count/);
  expect(message).toMatch(/masking\.rules\.custom\[1\]\.pattern: missing closing/);
});

describe('JSON lines', () => {
  const parse = (parse_json: boolean | object, more: Config = {}, told?: TransformObserver) => {
    const config = logFileSchema('final').parse({ path: '/a', parse_json });
    return createTransform(
      { match_on: [], exclude_on: [], masking: undefined, ...more, parse_json: config.parse_json },
      told,
    );
  };

  test('members stay as they are written, in one line', () => {
    const run = parse(true);
    const line = '{"id":12345678901234567890,"a":{"b":[1.0,"\\u00e9"]},"a":2}';
    expect(run?.(line)).toEqual({ line, fields: line });
    const pretty = '{\n  "a": "x\\ny",\r\n  "b": 1\n}';
    expect(run?.(pretty)).toEqual({ line: pretty, fields: '{   "a": "x\\ny",   "b": 1 }' });
    expect(run?.(' {"a":1} ')).toEqual({ line: ' {"a":1} ', fields: '{"a":1}' });
  });

  test.each(['', 'text', '[{}]', '"a"', '1', 'null', '{', '{"a":1', '{"a":1} x', '{a:1}', '{}{}'])(
    '%j is no object: shipped as it is, and told',
    (line) => {
      let unparsed = 0;
      const run = parse(true, {}, { unparsed: () => unparsed++, timeUnreadable: () => {} });
      expect(run?.(line)).toEqual({ line });
      expect(unparsed).toBe(1);
    },
  );

  test('message and time are taken from their fields, the line stays where there is none', () => {
    let unreadable = 0;
    const told = { unparsed: () => {}, timeUnreadable: () => unreadable++ };
    const run = parse({ message_field: 'log.msg', timestamp_field: 'at', timestamp_format: 'unix_ms' }, {}, told);
    const found = '{"log":{"msg":"hi"},"at":1700000000000}';
    expect(run?.(found)).toEqual({ line: 'hi', time: '2023-11-14T22:13:20.000Z', fields: found });
    const other = '{"log":{"msg":5},"at":"x"}';
    expect(run?.(other)).toEqual({ line: other, fields: other });
    expect(unreadable).toBe(1);
    const nanos = parse({ timestamp_field: 'at' })?.('{"at":"2026-01-02T03:04:05.123456789+02:00"}');
    expect(nanos?.time).toBe('2026-01-02T03:04:05.123456789+02:00');
  });

  test('filters see the line as it is written', () => {
    const run = parse({ message_field: 'm' }, { match_on: ['"level":"error"'], exclude_on: ['health'] });
    expect(run?.('{"level":"error","m":"x"}')?.line).toBe('x');
    expect(run?.('{"level":"info","m":"level error"}')).toBeUndefined();
    expect(run?.('{"level":"error","m":"y","path":"/health"}')).toBeUndefined();
  });

  test('masks reach keys, texts, numbers, escapes, and a value that only its key gives away', () => {
    const rules = { email: { enabled: true }, credit_card: { enabled: true }, api_key: { enabled: true } };
    const run = parse({ message_field: 'm' }, { masking: masking(rules) });
    const line =
      '{"m":"from a@b.co","a@b.co":[1,"x\\u0040y.org",true,null],"card":4111111111111111,"n":1.50,' +
      '"token":"abcdefgh12345678","o":{"api_key": "abcdefgh12345678"},"plain":"abcdefgh12345678"}';
    expect(run?.(line)).toEqual({
      line: 'from [EMAIL]',
      fields:
        '{"m":"from [EMAIL]","[EMAIL]":[1,"[EMAIL]",true,null],"card":"[CREDIT_CARD]","n":1.50,' +
        '"token":"[API_KEY]","o":{"api_key": "[API_KEY]"},"plain":"abcdefgh12345678"}',
    });
    expect(parse({ message_field: 'token' }, { masking: masking(rules) })?.(line)?.line).not.toContain('abcdefgh');
    expect(parse(true, { masking: masking(rules) })?.(line)?.line).not.toMatch(/@|4111|"token":"abc/);
  });

  test('a rule that looks for the beginning or end of a text sees each key and value by itself', () => {
    const rules = { custom: [{ name: 'pin', pattern: '^\\d{4}$' }] };
    const run = parse({ message_field: 'm' }, { masking: masking(rules) });
    expect(run?.('{"pin":"1234","n":5678,"m":"9999","o":12345}')).toEqual({
      line: '[PIN]',
      fields: '{"pin":"[PIN]","n":"[PIN]","m":"[PIN]","o":12345}',
    });
  });

  test('what a mask leaves is JSON, and holds nothing that it takes out', () => {
    const secret = /\b\d{3}-\d{2}-\d{4}\b/;
    const run = parse(true, { masking: masking({ ssn: { enabled: true } }) });
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        fc.string({ unit: fc.constantFrom('"', '\\', 'é', '{', '}', ':', ',', ' 123-45-6789 ', '\n') }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(null, true),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.string({ unit: fc.constantFrom('a', '"', '\\', '123-45-6789', '}') }), tie('value'), {
          maxKeys: 3,
        }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c'), value), (object) => {
        const json = JSON.stringify(object);
        const { fields = '' } = run?.(json) ?? {};
        expect(fields).not.toMatch(secret);
        expect(JSON.parse(fields)).toBeInstanceOf(Object);
        if (!secret.test(json)) expect(fields).toBe(json);
      }),
      { numRuns: 200 },
    );
  });
});

test('a line begins an event, or goes on with one', () => {
  const multiline = (told: object) => logFileSchema('final').parse({ path: '/a', multiline: told }).multiline;
  expect(createGrouping(undefined)).toBeUndefined();
  const start = createGrouping(multiline({ start_pattern: '^\\d{4}' }));
  expect(['2024 x', ' at y'].map((line) => start?.begins(line))).toEqual([true, false]);
  const rest = createGrouping(multiline({ continuation_pattern: '^\\s', max_lines: 9 }));
  expect(['2024 x', ' at y'].map((line) => rest?.begins(line))).toEqual([true, false]);
  expect(rest).toMatchObject({ timeoutMs: 5000, maxLines: 9, maxBytes: 1024 ** 2 });
  expect(() => createGrouping(multiline({ start_pattern: '(?=x)' }))).toThrow('multiline.start_pattern: look-around');
});
