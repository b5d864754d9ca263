import {
  flickerConfig,
  flickerConfigJsonSchema,
  namesIn,
  presets,
  requestNames,
  type Preset,
} from '../../contract/flicker';
import { settingsOf } from '../../contract/flicker/presets';

const texts = (value: unknown): string[] => {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
};
const names = (value: unknown): string[] => [...new Set(texts(value).flatMap(namesIn))];

const each = presets.map((preset) => [preset.name, preset] as const);

it('has one of each name', () => {
  expect(new Set(presets.map(({ name }) => name)).size).toBe(presets.length);
});

describe.each(each)('the preset %s', (_, preset) => {
  const settings = Object.keys(preset.settings('final'));

  it('names nothing that is neither a setting nor known to the engine', () => {
    const { first, next, endpoint, headers, auth, results, time, retentionMs, mode } = preset;
    for (const name of names([endpoint, headers, auth])) expect(settings).toContain(name);
    for (const name of names(first)) expect([...settings, 'from', 'to', 'size']).toContain(name);
    for (const name of names(next)) expect([...settings, ...requestNames]).toContain(name);
    const choices = [results, time.field, retentionMs, ...Object.values(mode)].filter((one) => typeof one === 'object');
    for (const choice of choices) expect(settings).toContain(Reflect.get(choice, 'setting'));
  });

  it('has a use for every setting', () => {
    const { first, next, endpoint, headers, auth } = preset;
    expect(names([first, next, endpoint, headers, auth])).toEqual(expect.arrayContaining(settings));
  });

  it('asks for the next page in the way in which it finds it', () => {
    const { next, paging } = preset;
    const counted = paging.by === 'cursor' || paging.by === 'last_id' || paging.by === 'page' || paging.by === 'offset';
    expect(names(next).includes('cursor')).toBe(counted);
    // The server keeps the place itself.
    if (preset.mode.kind === 'cursor') expect(names(next)).not.toContain('from');
    // A walk that leaves out its bounds would run back to the beginning.
    else if (counted) expect(names(next)).toEqual(expect.arrayContaining(names(first(preset))));
  });

  it('is documented by its vendor over https, and has limits that make sense', () => {
    expect(preset.reference).toMatch(/^https:\/\//);
    expect(preset.pageSize.default).toBeLessThanOrEqual(preset.pageSize.max);
    expect(preset.auth.every((way) => settingsOf(way).length > 0)).toBe(true);
  });
});

const first = ({ first }: Preset) => first;

describe('a source with a preset', () => {
  const parse = (source: object) =>
    flickerConfig('final').safeParse({ destination: { type: 'stdout' }, api_sources: [{ name: 'api', ...source }] });
  const problems = (source: object) => parse(source).error?.issues.map(({ message }) => message) ?? [];

  it('is refused with a near name, the settings that it lacks, and those that exclude one another', () => {
    expect(problems({ preset: 'octa' })).toEqual([expect.stringContaining('did you mean "okta"')]);
    expect(problems({ preset: 'github', token: 't' })).toEqual(['preset "github" needs organization, or enterprise']);
    expect(problems({ preset: 'github', token: 't', organization: 'o', enterprise: 'e' })).toEqual([
      'preset "github" needs either organization, or enterprise: remove the others',
    ]);
    expect(problems({ preset: 'twilio', api_key: 'SK', auth_token: 't' })).toEqual([
      'preset "twilio" needs api_key and api_secret, or account_sid and auth_token',
    ]);
    expect(problems({ preset: 'dropbox', app_key: 'k', app_secret: 's' })).toEqual([
      'preset "dropbox" needs app_key and app_secret and refresh_token, or token',
    ]);
    expect(problems({ preset: 'zendesk', subdomain: 'https://a.b', email: 'e', token: 't' })).toEqual([
      expect.stringContaining('the part before .zendesk.com'),
    ]);
    expect(problems({ preset: 'slack', token: 't', page_size: 10_000 })).toHaveLength(1);
    const salesforce = { preset: 'salesforce', domain: 'a.my.salesforce.com', client_id: 'i', client_secret: 's' };
    expect(problems({ ...salesforce, fields: 'Id,CreatedDate,Action' })).toEqual([]);
    expect(problems({ ...salesforce, fields: 'Id, Action' })).toEqual([
      expect.stringContaining('CreatedDate among them'),
    ]);
  });

  it('takes settings that are filled in later only while they are', () => {
    const config = {
      destination: { type: 'stdout' },
      api_sources: [{ name: 'a', preset: 'tines', domain: '${D}', token: '${T}' }],
    };
    expect(flickerConfig('template').safeParse(config).success).toBe(true);
    expect(flickerConfig('final').safeParse(config).success).toBe(false);
  });

  it('is described to editors by its own keys', () => {
    expect(JSON.stringify(flickerConfigJsonSchema())).toContain('"const":"google_workspace"');
  });
});
