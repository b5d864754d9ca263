import fc from 'fast-check';
import {
  effectiveHa,
  flickerCalls,
  flickerConfig,
  haProblems,
  haProfiles,
  layoutOfKey,
  nodeRegistryLayout,
  parseSettings,
  probeKey,
  takeoverBounds,
  type FlickerConfigInput,
  type HaTiming,
} from '../../contract';

const parse = (ha: FlickerConfigInput['ha']) =>
  parseSettings(
    flickerConfig('final'),
    { log_files: [{ path: '/a' }], destination: { type: 'stdout' }, ...(ha !== undefined && { ha }) },
    'config',
  ).ha;

describe('the key ha', () => {
  test.each<[FlickerConfigInput['ha'], HaTiming | false]>([
    [undefined, false],
    [false, false],
    [true, haProfiles.default],
    [{}, haProfiles.default],
    [{ profile: 'fast' }, haProfiles.fast],
    [
      { profile: 'cheap', poll_ms: '20s' },
      { ...haProfiles.cheap, poll_ms: 20_000 },
    ],
  ])('%p means %p', (ha, timing) => expect(parse(ha)).toEqual(timing));

  test('refuses a deadline that is too near to the lease, with the numbers', () => {
    expect(() => parse({ lease_ms: 11_000 })).toThrow(
      'deadline_ms × (1 + clock_drift) + abort_ms < lease_ms × (1 − clock_drift) must hold, or two instances might work at ' +
        'the same time: 10000 × 1.01 + 1000 = 11100 is not less than 11000 × 0.99 = 10890; raise lease_ms or lower deadline_ms',
    );
  });

  test('refuses a renewal that one lost request would make too late, with the numbers', () => {
    expect(() => parse({ profile: 'fast', renew_ms: '3s' })).toThrow(
      'renew_ms + 2 × attempt_timeout_ms <= deadline_ms must hold, or one lost request would depose a healthy holder: ' +
        '3000 + 2 × 1500 = 6000 is more than 5000; raise deadline_ms or lower renew_ms or attempt_timeout_ms',
    );
  });

  test('refuses an unknown profile and an unknown key', () => {
    expect(() => parse({ profile: 'quick' as 'fast' })).toThrow('ha');
    expect(() => parse({ leas_ms: 1 } as never)).toThrow('did you mean "lease_ms"');
  });
});

test.each(Object.entries(haProfiles))('the profile %s keeps what makes it safe', (_name, timing) => {
  expect(haProblems(timing)).toEqual([]);
});

test('whatever is accepted lets a holder stop before a standby may begin, on clocks that drift apart as far as told', () => {
  const ms = fc.integer({ min: 10, max: 60_000 });
  const timing = fc.record({
    renew_ms: ms,
    deadline_ms: ms,
    lease_ms: ms,
    poll_ms: ms,
    abort_ms: ms,
    attempt_timeout_ms: ms,
    clock_drift: fc.double({ min: 0, max: 0.5, noNaN: true }),
  });
  fc.assert(
    fc.property(timing, (one) => {
      fc.pre(haProblems(one).length === 0);
      const slowHolder = one.deadline_ms * (1 + one.clock_drift) + one.abort_ms;
      const fastStandby = one.lease_ms * (1 - one.clock_drift);
      expect(slowHolder).toBeLessThan(fastStandby);
      expect(one.renew_ms + 2 * one.attempt_timeout_ms).toBeLessThanOrEqual(one.deadline_ms);
    }),
  );
});

test('the bounds of a takeover follow from the timing', () => {
  expect(takeoverBounds(haProfiles.default, 400)).toEqual({ crashMs: 18_400, cleanMs: 3400 });
});

test('the setting wins over the config, and takes its timing from it', () => {
  expect(effectiveHa({ ha: haProfiles.fast }, undefined)).toBe(haProfiles.fast);
  expect(effectiveHa({ ha: haProfiles.fast }, true)).toBe(haProfiles.fast);
  expect(effectiveHa({ ha: false }, true)).toBe(haProfiles.default);
  expect(effectiveHa({ ha: haProfiles.fast }, false)).toBe(false);
});

test('the registries of nodes lie below the prefix, each on a key of its own', () => {
  const layout = layoutOfKey('flicker/prod/app-registry.json');
  expect(nodeRegistryLayout(layout, 'i-1')).toEqual({
    key: 'flicker/prod/app/nodes/i-1-registry.json',
    prefix: 'flicker/prod/app/nodes/i-1/',
  });
  expect(nodeRegistryLayout(layout, '../b').key).toBe('flicker/prod/app/nodes/..%2Fb-registry.json');
  expect(probeKey(layout)).toBe('flicker/prod/app/nodes/probe.json');
});

test('only one of several instances makes the calls below nodes/', () => {
  const config = (ha: boolean) =>
    parseSettings(
      flickerConfig('final'),
      { log_files: [{ path: '/a' }], destination: { type: 'stdout' }, ha },
      'config',
    );
  const of = (...given: Parameters<typeof flickerCalls>) =>
    flickerCalls(...given)
      .filter(({ resource }) => JSON.stringify(resource).includes('nodes/'))
      .map(({ action }) => action);
  const all = ['s3:GetObject', 's3:PutObject', 's3:ListBucket', 's3:ListBucketVersions'];
  expect(of(config(true), 's3://state/a-registry.json')).toEqual(all);
  expect(of(config(false), 's3://state/a-registry.json', true)).toEqual(all);
  expect(of(config(false), 's3://state/a-registry.json')).toEqual([]);
});
