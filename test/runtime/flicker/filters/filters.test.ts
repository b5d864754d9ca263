import fc from 'fast-check';
import { maskingReplacements, maskingRules, maskingSchema, type MaskingConfig } from '../../../../contract/flicker';
import { createTransform } from '../../../../runtime/flicker/filters';
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
