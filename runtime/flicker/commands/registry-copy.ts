import { copyRegistry, type CopyStep } from '../../registry/copy';
import { look } from '../../registry/operate';
import { readState, type SpillEntry } from '../state';
import type { Desktop } from './registry-desk';
import { header } from './registry-show';
import { printable } from './table';

/** `flicker registry copy`. */
export function copy(
  from: Desktop,
  to: Desktop,
  { clusterId, overwrite }: { readonly clusterId?: string; readonly overwrite?: boolean },
): Promise<number> {
  return from.explained(async () => {
    const stored = await look(from.store, from);
    if (stored.kind === 'current' && !from.json) {
      from.print(`${header(stored.document, from.store.location, stored.bytes, from.clock.now())}\n\n`);
      const { lease } = stored.document;
      if (lease.state === 'held') {
        from.print(
          `${printable(lease.owner)} on ${printable(lease.host)} holds it and can save no more once it is closed. Until ` +
            'it finds out, at its next save, it may send events that the new one sends again. Then it exits.\n',
        );
      }
    }
    await from.confirm(`Close ${from.store.location} and move it to ${to.store.location}?`);
    const steps: CopyStep[] = [];
    const opened = await copyRegistry({
      from: from.store,
      to: to.store,
      desk: from,
      clusterId,
      overwrite: overwrite ?? false,
      carry: (state) => carrySpilled(readState(state).spill ?? [], from, to),
      onStep: (step, text) => {
        steps.push(step);
        if (!from.json) from.print(`${step.padEnd(11)}  ${printable(text)}\n`);
      },
    });
    if (from.json)
      from.print(
        `${JSON.stringify({ from: from.store.location, to: to.store.location, steps, lease: opened.lease }, null, 2)}\n`,
      );
    else from.print(`\nStart the new instances with --registry-file ${to.store.location}\n`);
    return 0;
  });
}

/** Copies the batches that a state lists; what the registry does not list any more was sent. */
export async function carrySpilled(
  entries: readonly SpillEntry[],
  from: Pick<Desktop, 'spill' | 'signal' | 'json' | 'print'>,
  to: Pick<Desktop, 'spill'>,
): Promise<void> {
  for (const { key } of entries) {
    const lines = await from.spill.get(key, from.signal);
    if (lines) await to.spill.put(key, lines, from.signal);
  }
  if (entries.length > 0 && !from.json) from.print(`carried      ${entries.length} batches that were spilled\n`);
}
