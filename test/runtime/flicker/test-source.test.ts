import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOkta, type Okta } from '../../../dev/vendors/okta';
import { run } from '../../../runtime/flicker/cli';

let folder: string;
let okta: Okta;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-test-source-'));
  okta = await startOkta({ token: 'hunter2', emptyPages: 0 });
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await okta.stop();
});

async function testSource(...args: string[]) {
  const path = join(folder, 'flicker.yaml');
  writeFileSync(
    path,
    JSON.stringify({
      api_sources: [
        { name: 'audit', preset: 'okta', domain: 'a.okta.com', token: '${TOKEN}', endpoint: okta.url, page_size: 5 },
      ],
      destination: { type: 'http', endpoint: 'http://127.0.0.1:1/' },
    }),
  );
  let text = '';
  const take = (chunk: string | Uint8Array) => ((text += String(chunk)), true);
  const spies = [process.stdout, process.stderr].map((to) => jest.spyOn(to, 'write').mockImplementation(take));
  try {
    const code = await run(['node', 'flicker', 'test-source', ...args, '-c', path], { TOKEN: 'hunter2' });
    return { code, text };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

it('prints one page as it would be shipped, and the position after it, and saves nothing', async () => {
  const events = okta.append(8);
  const { code, text } = await testSource('audit', '--events', '2');
  expect(code).toBe(0);
  const [head, first, second, title, ...position] = text.trimEnd().split('\n');
  expect(head).toBe('audit: 5 events on this page, the first 2');
  expect(JSON.parse(first ?? '')).toEqual({
    path: 'api://audit',
    line: JSON.stringify(events[0]),
    id: events[0]?.uuid,
    time: events[0]?.published,
  });
  expect(JSON.parse(second ?? '')).toMatchObject({ id: events[1]?.uuid });
  expect(title).toBe('the position that would be saved:');
  expect(JSON.parse(position.join('\n'))).toMatchObject({ walk: { at: expect.stringContaining('after=') } });
  expect(okta.requests.length).toBe(1);
  expect(readdirSync(folder)).toEqual(['flicker.yaml']);
  expect(text).not.toContain('hunter2');
});

it('goes on at a saved position, and leaves the registry as it is', async () => {
  okta.append(8);
  const position = JSON.parse((await testSource('audit')).text.split('saved:\n')[1] ?? '') as unknown;
  const registry = join(folder, 'registry.json');
  const entry = { kind: 'api', startedAt: '2026-01-01T00:00:00Z', batchNo: 1, position };
  const lease = { epoch: 1, owner: 'a', host: 'b', seq: 1, state: 'released', ttlMs: 1000, renewMs: 100 };
  const about = {
    format: 2,
    clusterId: 'c',
    configHash: 'h',
    lease,
    writerVersion: '0',
    savedAt: '2026-01-01T00:00:00Z',
  };
  const saved = JSON.stringify({ ...about, sources: { audit: entry } });
  writeFileSync(registry, saved);
  const { code, text } = await testSource('audit', '--registry-file', registry);
  expect(text).toContain('audit: 3 events on this page\n');
  expect(code).toBe(0);
  expect(readFileSync(registry, 'utf8')).toBe(saved);
});

it.each([
  ['a name that there is not', ['audits'], 2, 'there is no API source "audits": did you mean "audit"?'],
  ['a time that is none', ['audit', '--start-from', 'noon'], 2, '--start-from noon: expected beginning, now'],
  ['a number that is none', ['audit', '--events', 'x'], 2, '--events x: expected a whole number'],
])('refuses %s', async (_, args, code, message) => {
  const refused = await testSource(...args);
  expect(refused.text).toContain(message);
  expect(refused.code).toBe(code);
});

it('says why a source cannot be read', async () => {
  okta.fail({ status: 403, body: { errorSummary: 'hunter3' } });
  const { code, text } = await testSource('audit');
  expect(text).toMatch(/^flicker: audit: .* answered 403: check the credentials/);
  expect(text).not.toContain('hunter');
  expect(code).toBe(1);
});
