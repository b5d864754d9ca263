import { errorText } from '../../core/errors';
import { editable, look, OperatorError } from '../../registry/operate';
import { iso } from '../positions';
import { apiPosition } from '../sources/api/position';
import { FORGET_NODE_MS, nodeSeenIn, SHARED_NODE } from '../node-state';
import { readState, type FlickerState } from '../state';
import type { Desktop } from './registry-desk';
import { change } from './registry-edit';
import { table } from './table';

/** Something that is wrong in a state. */
export interface Finding {
  readonly where: string;
  readonly what: string;
  /** What a person does about it; removed by `--fix` when absent. */
  readonly cure?: string;
}

/** `flicker registry fsck`. The result is 1 when something is wrong that was not removed. */
export async function fsck(desk: Desktop, fix: boolean): Promise<number> {
  const { store } = desk;
  const document = editable(await look(store, desk), store.location);
  let state: FlickerState;
  try {
    state = readState(document.state);
  } catch (error) {
    throw new OperatorError(
      `${store.location} cannot be used: ${errorText(error)}. Go back to a version before: "registry rewind"`,
    );
  }
  const findings = [...findingsOf(state, desk.clock.now()), ...(await missingSpill(state, desk))];
  if (!fix || findings.length === 0) {
    print(desk, findings);
    return findings.length === 0 ? 0 : 1;
  }
  if (!desk.json) print(desk, findings);
  const code = findings.some(({ cure }) => cure !== undefined) ? 1 : 0;
  const wrong = new Set(findings.filter(({ cure }) => cure === undefined).map(({ where }) => where));
  await change(desk, (now) => ({ state: without(now, wrong), notes: [] }));
  return code;
}

/** Spilled batches that the state lists and that are not there. */
async function missingSpill(state: FlickerState, { spill, signal }: Desktop): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { key } of state.spill ?? []) {
    if ((await spill.get(key, signal)) === undefined)
      findings.push({ where: spillWhere(key), what: 'the batch is not there' });
  }
  return findings;
}

const spillWhere = (key: string) => `spill[${JSON.stringify(key)}]`;

/** What is wrong in a state. */
export function findingsOf(state: FlickerState, now: number): Finding[] {
  const nodeSeen = nodeSeenIn(state);
  const findings: Finding[] = [];
  const parts = [['files', state.files] as const, ['docker', state.docker ?? {}] as const];
  // A quiet node writes no entry for weeks: the one that was seen last may be where the instance runs.
  let lastSeen = 0;
  for (const [, entries] of parts) {
    for (const [key, entry] of Object.entries(entries)) lastSeen = Math.max(lastSeen, nodeSeen(key, entry) || 0);
  }
  for (const [part, entries] of parts) {
    for (const [key, entry] of Object.entries(entries)) {
      const { source, seenAt } = entry;
      const where = `${part}[${JSON.stringify(key)}]`;
      const node = nodeIn(key);
      const seen = nodeSeen(key, entry);
      const kind = state.sources[source]?.kind;
      if (node === undefined) findings.push({ where, what: 'the key is not <node>/<id>: no node finds it' });
      else if (kind === undefined) findings.push({ where, what: `the source "${source}" is not there` });
      else if (kind !== part) findings.push({ where, what: `the source "${source}" is of kind ${kind}` });
      else if (Number.isNaN(Date.parse(seenAt))) findings.push({ where, what: `seenAt is no time: ${seenAt}` });
      else if (now - seen > FORGET_NODE_MS && seen < lastSeen && node !== SHARED_NODE) {
        findings.push({ where, what: `the node ${node} was seen last at ${iso(seen)}` });
      }
    }
  }
  for (const [name, { kind, position }] of Object.entries(state.sources)) {
    const parsed = kind === 'api' ? apiPosition.safeParse(position, { reportInput: false }) : undefined;
    const issue = parsed?.error?.issues[0];
    if (issue && Object.keys(position).length > 0) {
      findings.push({
        where: `sources[${JSON.stringify(name)}].position.${issue.path.join('.')}`,
        what: issue.message,
        cure: `flicker registry set ${JSON.stringify(name)} watermark=TIME`,
      });
    }
  }
  return findings;
}

/** The node of `<node>/<id>` or `<node>/<id>@<source>`. */
function nodeIn(key: string): string | undefined {
  return /^([^@]+)\/[0-9a-f-]+(?:@.*)?$/s.exec(key)?.[1];
}

function without(state: FlickerState, wrong: ReadonlySet<string>): FlickerState {
  const kept = structuredClone(state);
  for (const key of Object.keys(kept.files)) if (wrong.has(`files[${JSON.stringify(key)}]`)) delete kept.files[key];
  for (const key of Object.keys(kept.docker ?? {})) {
    if (wrong.has(`docker[${JSON.stringify(key)}]`)) delete kept.docker?.[key];
  }
  if (kept.spill) kept.spill = kept.spill.filter(({ key }) => !wrong.has(spillWhere(key)));
  return kept;
}

function print(desk: Desktop, findings: readonly Finding[]): void {
  if (desk.json) desk.print(`${JSON.stringify(findings, null, 2)}\n`);
  else if (findings.length === 0) desk.print('nothing is wrong\n');
  else
    desk.print(
      table(
        ['WHERE', 'WHAT', 'CURE'],
        findings.map(({ where, what, cure }) => [where, what, cure ?? '--fix removes it']),
      ),
    );
}
