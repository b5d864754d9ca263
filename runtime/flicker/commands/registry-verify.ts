import { errorText } from '../../core/errors';
import { RegistryError } from '../../registry/errors';
import { serializeDocument, type RegistryDocument } from '../../registry/format';
import { look, OperatorError, type Stored } from '../../registry/operate';
import { NO_ETAG } from '../../registry/self-test';
import { defaultTiming, withTimeout } from '../../registry/timing';
import { readState, upgradeV1 } from '../state';
import type { Desktop } from './registry-desk';
import { findingsOf } from './registry-fsck';
import { agoText, bytesText, table } from './table';

/** One check and what came out. */
interface Check {
  readonly check: string;
  readonly result: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
}

/** A writer's clock that is further off is worth a word. */
const CLOCK_SLACK_MS = 5000;

/** `flicker registry verify`. The result is 1 when a check has failed. */
export async function verify(desk: Desktop): Promise<number> {
  const checks: Check[] = [];
  const add = (check: string, result: Check['result'], detail: string) => checks.push({ check, result, detail });
  let stored: Stored | undefined;
  try {
    stored = await look(desk.store, desk);
    if (stored.kind === 'missing') add('read', 'warning', 'there is no registry yet; it may be read');
    else if (stored.kind === 'deleted') add('read', 'failed', 'it was deleted');
    else add('read', 'ok', bytesText(stored.bytes));
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    add('read', 'failed', error.message);
  }
  if (stored) {
    checks.push(...contentChecks(desk, stored));
    const conditions = await conditionsCheck(desk);
    if (conditions.result === 'ok' && stored.kind === 'current') checks.push(await writeCheck(desk, stored.document));
    checks.push(conditions, await historyCheck(desk, stored));
  }
  if (desk.json) desk.print(`${JSON.stringify({ location: desk.store.location, checks }, null, 2)}\n`);
  else
    desk.print(
      `${desk.store.location}\n\n${table(
        ['CHECK', 'RESULT', ''],
        checks.map(({ check, result, detail }) => [check, result, detail]),
      )}`,
    );
  return checks.some(({ result }) => result === 'failed') ? 1 : 0;
}

function contentChecks(desk: Desktop, stored: Stored): Check[] {
  if (stored.kind === 'version-1')
    return [{ check: 'positions', ...positions(() => findingsOf(upgradeV1(stored.json), 0).length) }];
  if (stored.kind !== 'current') return [];
  const { document } = stored;
  const { lease, savedAt, clusterId } = document;
  const now = desk.clock.now();
  const age = now - Date.parse(savedAt);
  // A holder saves at least once a renewal; three that were missed are no accident.
  const late = lease.state === 'held' && lease.renewMs > 0 && age > 3 * lease.renewMs;
  const holder = `${lease.state} by ${lease.owner} on ${lease.host}, epoch ${lease.epoch}`;
  return [
    { check: 'positions', ...positions(() => findingsOf(readState(document.state), now).length) },
    { check: 'cluster', result: 'ok', detail: clusterId === '' ? 'not named' : clusterId },
    {
      check: 'lease',
      result: lease.state === 'closed' ? 'failed' : 'ok',
      detail: lease.movedTo === undefined ? holder : `${holder}; moved to ${lease.movedTo}`,
    },
    {
      check: 'last save',
      result: Number.isNaN(age) || age < -CLOCK_SLACK_MS || late ? 'warning' : 'ok',
      detail:
        `${savedAt}, ${agoText(Date.parse(savedAt), now)}` +
        (late
          ? `; it should be at most ${lease.renewMs / 1000} s: is the holder dead, or cut off from the store?`
          : '') +
        (age < -CLOCK_SLACK_MS ? '; it is in the future: a clock is wrong here or there' : ''),
    },
  ];
}

function positions(count: () => number): Pick<Check, 'result' | 'detail'> {
  try {
    const wrong = count();
    if (wrong === 0) return { result: 'ok', detail: 'can be read' };
    return { result: 'warning', detail: `${wrong} entries are of no use: see "registry fsck"` };
  } catch (error) {
    return { result: 'failed', detail: errorText(error) };
  }
}

async function conditionsCheck({ tryStore }: Desktop): Promise<Check> {
  const check = 'conditional writes';
  if (!tryStore) return { check, result: 'ok', detail: 'a local file: compared and replaced under a lock' };
  const tried = await tryStore();
  switch (tried.kind) {
    case 'honoured':
      return { check, result: 'ok', detail: 'honoured, tried on an object of its own' };
    case 'ignored':
      return {
        check,
        result: 'failed',
        detail: `${tried.call} was answered ${tried.got}, expected ${tried.expected}: two writers could overwrite each other`,
      };
    case 'untested':
      return { check, result: 'warning', detail: `cannot be told: ${tried.reason}` };
  }
}

/** Asks for what the condition forbids: who may not write is told so before. Nothing is written. */
async function writeCheck({ clock, signal, store }: Desktop, document: RegistryDocument): Promise<Check> {
  const check = 'write';
  const reply = await withTimeout(clock, defaultTiming.attemptTimeoutMs, signal, (limit) =>
    store.write(serializeDocument(document), { ifMatch: NO_ETAG }, limit),
  );
  switch (reply.kind) {
    case 'precondition-failed':
    case 'conflict':
    case 'missing':
      return { check, result: 'ok', detail: 'allowed; nothing was written' };
    case 'denied':
      return { check, result: 'failed', detail: `denied: ${reply.reason}; it needs s3:PutObject on the key` };
    case 'committed':
      return { check, result: 'failed', detail: 'a condition that does not hold was ignored' };
    case 'failed':
    case 'unknown':
      return { check, result: 'warning', detail: `cannot be told: ${reply.reason}` };
  }
}

async function historyCheck(desk: Desktop, stored: Stored): Promise<Check> {
  const check = 'history';
  if (!desk.store.location.startsWith('s3://')) {
    return { check, result: 'skipped', detail: 'a local file has none' };
  }
  try {
    const kept = await desk.history();
    const { value } = await kept.versions(desk.signal).next();
    if (!value) {
      const there = stored.kind !== 'missing';
      return { check, result: there ? 'warning' : 'ok', detail: 'no version is listed' };
    }
    if (value.id === 'null') {
      return { check, result: 'warning', detail: 'the bucket keeps no versions: nothing can be restored' };
    }
    return { check, result: 'ok', detail: 'the bucket keeps versions' };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { check, result: 'warning', detail: error.message };
  }
}
