import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDestination } from '../../runtime/flicker/destinations';
import { context, destinationConfig, extraShipment, never } from '../runtime/flicker/destinations/support';
import { accepts, freePort, nasty, start, type Program } from './program';

/** What syslog-ng has understood of a message. */
interface Understood {
  readonly source: string;
  readonly facility: string;
  readonly severity: string;
  readonly host: string;
  readonly program: string;
  readonly message: string;
  readonly date: string;
  readonly id: string;
  readonly path: string;
}

const kinds = ['udp', 'tcp', 'syslog', 'tls'] as const;
type Kind = (typeof kinds)[number];

const folder = mkdtempSync(join(tmpdir(), 'holdfast-syslog-'));
const out = join(folder, 'out.jsonl');
const fixture = (name: string) => join(__dirname, '../fixtures/tls', name);
let ports: Record<Kind, number>;
let program: Program | undefined;

beforeAll(async () => {
  if (spawnSync('syslog-ng', ['--version']).error) {
    throw new Error('there is no syslog-ng: install it with "apt-get install syslog-ng-core", and run this again');
  }
  ports = { udp: await freePort(), tcp: await freePort(), syslog: await freePort(), tls: await freePort() };
  // It runs as a user who can do nothing else.
  chmodSync(folder, 0o777);
  for (const name of ['server.pem', 'server-key.pem', 'ca.pem']) copyFileSync(fixture(name), join(folder, name));
  chmodSync(join(folder, 'server-key.pem'), 0o644);
  writeFileSync(join(folder, 'syslog-ng.conf'), config());
  const at = (name: string) => join(folder, name);
  const files = ['--cfgfile', at('syslog-ng.conf'), '--persist-file', at('persist'), '--pidfile', at('pid')];
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  program = start('syslog-ng', ['--foreground', '--no-caps', ...files, '--control', at('control')], nobody);
  await program.until(async () =>
    (await Promise.all([ports.tcp, ports.syslog, ports.tls].map(accepts))).every(Boolean),
  );
});

afterAll(async () => {
  await program?.stop();
  rmSync(folder, { recursive: true });
});

function config(): string {
  const at = (kind: Kind) => `ip("127.0.0.1") port(${ports[kind]})`;
  const tls = ['key-file("server-key.pem")', 'cert-file("server.pem")', 'ca-file("ca.pem")']
    .map((option) => option.replace('("', `("${folder}/`))
    .concat('peer-verify(required-trusted)')
    .join(' ');
  const sources: Record<Kind, string> = {
    udp: `network(${at('udp')} transport("udp"))`,
    tcp: `network(${at('tcp')} transport("tcp"))`,
    syslog: `syslog(${at('syslog')} transport("tcp"))`,
    tls: `syslog(${at('tls')} transport("tls") tls(${tls}))`,
  };
  const sd = (name: string) => `${name}="\${.SDATA.flicker@32473.${name}}"`;
  const members =
    'source="$SOURCE" facility="$FACILITY" severity="$PRIORITY" host="$HOST" program="$PROGRAM" ' +
    `message="$MESSAGE" date="$ISODATE" ${sd('id')} ${sd('path')}`;
  return [
    '@version: 3.35',
    'options { keep-hostname(yes); use-dns(no); dns-cache(no); stats-freq(0); flush-lines(1); log-msg-size(65536); frac-digits(6); };',
    ...kinds.map((kind) => `source ${kind} { ${sources[kind]}; };`),
    `destination out { file("${out}" template('$(format-json ${members})\n')); };`,
    `log { ${kinds.map((kind) => `source(${kind});`).join(' ')} destination(out); };`,
    '',
  ].join('\n');
}

function understood(source: Kind): Understood[] {
  let text: string;
  try {
    text = readFileSync(out, 'utf8');
  } catch {
    return [];
  }
  const whole = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean);
  return whole.map((line) => JSON.parse(line) as Understood).filter((one) => one.source === source);
}

test.each<[Kind, object]>([
  ['udp', {}],
  ['tcp', { protocol: 'tcp' }],
  ['syslog', { protocol: 'tcp', format: 'rfc5424' }],
  [
    'tls',
    {
      protocol: 'tls',
      format: 'rfc5424',
      host: 'localhost',
      tls: { ca_cert_path: fixture('ca.pem'), cert_path: fixture('client.pem'), key_path: fixture('client-key.pem') },
    },
  ],
])('what is sent over %s is understood', async (kind, settings) => {
  const to = await createDestination(
    destinationConfig({ type: 'syslog', host: '127.0.0.1', port: ports[kind], ...settings }),
    context,
  );
  const time = '2026-01-02T03:04:05.123456789Z';
  expect(await to.send(extraShipment(nasty.map((line) => ({ line, time, path: '/p "]' }))), never)).toEqual({
    kind: 'accepted',
  });
  await program?.until(() => understood(kind).length >= nasty.length);
  await to.close();
  const messages = understood(kind);
  const counted = kind === 'syslog' || kind === 'tls';
  const escaped = nasty.map((line) => line.replace('\n', '#012').replace('\0', '#000').replace('\x1b', '#033'));
  expect(messages.map(({ message }) => message)).toEqual(escaped.map((line) => (counted ? line : `[/p "]] ${line}`)));
  for (const [i, message] of messages.entries()) {
    expect(message).toMatchObject({ facility: 'local0', severity: 'info', host: hostname(), program: 'flicker' });
    expect(Math.floor(Date.parse(message.date) / 1000)).toBe(Math.floor(Date.parse(time) / 1000));
    if (counted)
      expect(message).toMatchObject({ path: '/p "]', id: `id-${i}`, date: expect.stringContaining('.123456') });
  }
});
