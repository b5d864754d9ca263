import { hasUpperBound, presets, type Choice, type Preset } from '../contract';
import { settingsOf } from '../contract/flicker/presets';
import { apiSourceNode, configSchema, keysOf, type Key } from './config-reference';
import { code, rows } from './markdown';

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/** docs/presets.md: every preset with its settings, from the contract. */
export function presetsReference(): string {
  const root = configSchema();
  const keys = (preset: Preset) => keysOf(apiSourceNode(root, preset.name), '');
  const own = (preset: Preset) => {
    const settings = Object.keys(preset.settings('final'));
    return keys(preset).filter(({ name }) => settings.includes(name));
  };
  const [any] = presets;
  if (!any) throw new Error('there is no preset');
  const shared = ['page_size', 'polling_frequency_ms', 'overlap_ms', 'lag_ms', 'window_ms', 'endpoint', 'token_url'];
  const sections = [
    intro,
    rows(
      ['preset', 'log', 'mode', 'page', 'asked every', 'lag', 'late events', 'history', 'rate limit'],
      presets.map((preset) => [
        `[${code(preset.name)}](#${preset.name})${preset.experimental ? ' (experimental)' : ''}`,
        preset.title,
        preset.mode.kind,
        preset.pageSize.default === preset.pageSize.max
          ? String(preset.pageSize.max)
          : `${preset.pageSize.default}, at most ${preset.pageSize.max}`,
        time(preset.pollMs),
        preset.mode.kind === 'window' ? chosen(preset.mode.lagMs) : 'none',
        preset.mode.kind === 'cursor' ? 'any' : chosen(preset.mode.overlapMs),
        chosen(preset.retentionMs),
        limits(preset),
      ]),
    ),
    legend,
    '## Keys of every preset',
    'Beside `name`, `start_from`, `headers`, `max_pages`, `message_field` and those of every source:',
    table(
      keys(any)
        .filter(({ name }) => shared.includes(name))
        .map((key) => (key.name in perPreset ? { ...key, fallback: perPreset[key.name] ?? '' } : key)),
    ),
    '## The presets and their settings',
    ...presets.flatMap((preset) => [`### ${preset.name}`, about(preset), table(own(preset))]),
  ];
  return `${sections.join('\n\n')}\n`;
}

const perPreset: Readonly<Record<string, string>> = {
  page_size: 'see above',
  polling_frequency_ms: 'see above',
  overlap_ms: 'see above',
  lag_ms: 'see above',
};

const intro = `# Presets

Written from the contract by \`npm run docs\`. A preset is what flicker knows of a vendor's audit API: where it is, how it pages,
what an event's id and time are, how late events come, how often it may be asked and how long it keeps events. A config names the
preset and gives the settings that are yours:

\`\`\`yaml
api_sources:
  - name: okta-audit
    preset: okta
    domain: company.okta.com
    token: \${OKTA_TOKEN}
\`\`\`

\`flicker test-source okta-audit\` asks for one page and shows it with the position that would be saved. How each of the seven
tested vendors is set up, and what is odd about it: [Okta](presets/okta.md), [GitHub](presets/github.md),
[Slack](presets/slack.md), [Auth0](presets/auth0.md), [Google Workspace](presets/google-workspace.md),
[Cloudflare](presets/cloudflare.md), [1Password](presets/onepassword.md). One more vendor: [add a preset](presets/add-a-preset.md).`;

const legend = `**Mode.** \`cursor\`: the server keeps the place, and everything that it sends is new, however late. \`watermark\`: events are asked
for in ascending order from the newest one seen, less the time in *late events*. \`window\`: closed time ranges that end *lag* ago,
each read to its end, and again as far back as *late events* says. An event that comes later than that is not seen. An event that
is asked for twice is told by its id and delivered once. The newest 10,000 ids are remembered: where more events come within *late
events*, late ones are looked for only as far back as these reach, and a gap event says so. A longer \`lag_ms\` lets them come first.

**History.** Nothing older is asked for. When flicker was away for longer than the vendor keeps events, or the vendor no longer
knows a saved cursor, the source goes on from the newest event seen, less *late events*, and a gap event says which range may be
incomplete.

**Experimental.** Made from documentation; nobody has run it against the vendor yet. flicker says so at the start, and
\`--validate\` does. Tell us when it works.`;

function about(preset: Preset): string {
  const ways = preset.auth.map((auth) => settingsOf(auth).map(code).join(' and '));
  const open = preset.mode.kind === 'window' && !hasUpperBound(preset);
  return [
    `[${preset.title}](${preset.reference}).`,
    ...(preset.experimental ? ['Experimental.'] : []),
    ...(ways.length > 1 ? [`Credentials: ${ways.join(', or ')}.`] : []),
    ...(open ? ['Windows are open at their end: the API takes no upper bound.'] : []),
    ...(preset.id ? [] : ['Events have no id: one is made from their content.']),
  ].join(' ');
}

function limits({ rate }: Preset): string {
  const { budget, reserve } = rate ?? {};
  if (budget) return `${budget.requests} in ${time(budget.perMs)}, counted by flicker`;
  return reserve ? 'told by answers; some is left to others' : 'told by answers';
}

function chosen(choice: Choice<number>): string {
  if (typeof choice === 'number') return time(choice);
  const names = (value: number) => Object.keys(choice.values).filter((name) => choice.values[name] === value);
  const others = new Set(Object.values(choice.values));
  const parts = [...others].map((value) => `${time(value)} (${names(value).map(code).join(', ')})`);
  return [time(choice.otherwise), ...parts].join('; ');
}

function time(ms: number): string {
  if (ms === 0) return 'none';
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size} ${unit}`;
}

function table(keys: readonly Key[]): string {
  return rows(
    ['key', 'type', 'default', 'what it does'],
    keys.map((key) => [code(key.name), key.type, key.fallback, key.what]),
  );
}
